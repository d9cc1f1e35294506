"""What Tocsin says of a call that is about to be made. Everything blocks.

httpx is imported when it is first asked, and one client serves all threads.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from tocsin.client import ApiError, Approval, Client

__all__ = ["Away", "Policies", "Question", "Said"]

_TRANSIENT: Final = frozenset({404, 408})  # and 5xx: something else than Tocsin answers, or nothing
_MAX_SAID_CHARS: Final = 1_000


class Away(Exception):
    """Tocsin says nothing: it can't be reached, or is too busy."""


@dataclass(frozen=True, slots=True)
class Question:
    """A call, as Tocsin is asked about it."""

    tool: str
    agent: str
    session: str
    tool_call_id: str
    server: str
    arguments: dict[str, Any] = field(repr=False)
    annotations: dict[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """Return the request's body, which is the same each time that it is asked."""
        return {
            "agent": self.agent,
            "session": self.session,
            "params": self.arguments,
            "tool_call_id": self.tool_call_id,
            "server": self.server,
            "annotations": self.annotations,
        }


@dataclass(frozen=True, slots=True)
class Said:
    """What is decided: it is ``allowed``; or it ``asks``, by ``approval``; or it is denied, why."""

    allowed: bool = False
    asks: bool = False
    approval: str = ""
    message: str = ""
    suggestions: tuple[str, ...] = ()
    suspended: bool = False


class Policies:
    """The org's policies, approvals and budgets."""

    def __init__(self, url: str, api_key: str, approve_key: str | None = None) -> None:
        """``approve_key`` is a person's, with which that person's answers are given."""
        self._url = url
        self._api_key = api_key
        self._approve_key = approve_key
        self._lock = Lock()
        self._clients: dict[str, Client] = {}

    def decide(self, question: Question) -> Said:
        """Have a call decided and recorded; where policies ask, an approval is made, or used.

        Raises:
            Away: It may be decided; who asks again with the same question asks nobody twice.
        """
        return self._ask("/v1/tool/", question)

    def look(self, question: Question) -> Said:
        """Say what would be decided; nothing is recorded, and nobody asked. Raises as decide."""
        return self._ask("/v1/preflight/", question)

    def approval(self, id: str, seconds: float) -> "Approval":
        """Wait so long for a decision; raises :class:`Away`."""
        with _told():
            return self._client(self._api_key).decision(id, seconds)

    def approve(self, id: str) -> None:
        """Approve a call with the person's own key; raises :class:`Away` if that fails."""
        with _told():
            client = self._client(self._approve_key or "")
            client.resolve(id, approved=True, reason="confirmed at the MCP client")

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def _ask(self, path: str, question: Question) -> Said:
        from tocsin.client import ApiError

        place = path + quote(question.tool, safe="")
        with _told():
            client = self._client(self._api_key)
            try:
                return _said(client.call("POST", place, body=question.body()))
            except ApiError as error:
                if error.status in _TRANSIENT or not 400 <= error.status < 500:
                    raise
                return _refused(error)

    def _client(self, key: str) -> "Client":
        from tocsin.client import Backoff, Client

        with self._lock:
            if key not in self._clients:
                self._clients[key] = Client(self._url, key, backoff=Backoff(attempts=1))
            return self._clients[key]


@contextmanager
def _told() -> Iterator[None]:
    """Turn what a client raises into Away."""
    import httpx

    from tocsin.client import ApiError, BadEnvironment

    try:
        yield
    except ApiError as error:
        raise Away(error.error[:_MAX_SAID_CHARS]) from error
    except (httpx.HTTPError, BadEnvironment) as error:
        raise Away(str(error)[:_MAX_SAID_CHARS] or type(error).__name__) from error


def _said(body: Any) -> Said:
    """Return what an answer says; what is no answer of Tocsin's allows nothing.

    Raises:
        Away: It is none.
    """
    decision = body.get("decision") if isinstance(body, dict) else None
    if decision in ("allow", "watch") and body.get("allowed") is True:
        return Said(allowed=True)
    if decision == "ask":
        message = _text(body.get("message"))
        return Said(asks=True, approval=_text(body.get("approval_id")), message=message)
    if decision == "deny":
        suggestions = body.get("suggestions")
        return Said(
            message=_text(body.get("message")),
            suggestions=tuple(map(_text, suggestions)) if isinstance(suggestions, list) else (),
            suspended=body.get("suspended") is True,
        )
    raise Away("what answers is not Tocsin")


def _refused(error: "ApiError") -> Said:
    try:
        return _said(error.response.json())
    except (ValueError, Away):
        details = "; ".join(f"{each['field']}: {each['message']}" for each in error.details[:3])
        return Said(message=_text(f"{error.error}{f' ({details})' if details else ''}"))


def _text(value: Any) -> str:
    return value[:_MAX_SAID_CHARS] if isinstance(value, str) else ""
