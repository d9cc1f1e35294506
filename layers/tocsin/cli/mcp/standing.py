"""Whether the relay's session is suspended, as Tocsin last said.

httpx is imported, and Tocsin asked, in a thread of its own. Who wants to know waits for it, but not
for long: an answer that comes later holds for the next one.
"""

from threading import Condition, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tocsin.client import Client

__all__ = ["WAIT_SECONDS", "Standing"]

WAIT_SECONDS: Final = 1.0
"""How long a call waits for an answer at most."""

_FRESH_SECONDS: Final = 1.5  # with the three that Tocsin remembers, less than five
_PATIENCE_SECONDS: Final = 15.0  # after a question without answer, for which nobody waits

# Any tool: what matters is the session.
_PATH: Final = "/v1/preflight/mcp"


class Standing(Thread):
    """Asks when it is asked. Until Tocsin has said something, a session is not suspended."""

    def __init__(self, url: str, api_key: str, session: str, agent: str | None) -> None:
        super().__init__(name="tocsin-standing", daemon=True)
        self._url = url
        self._api_key = api_key
        self._body = {"agent": agent or "tocsin mcp", "session": session, "params": {}}
        self._changed = Condition()
        self._suspended = False
        self._asked = self._answered = 0  # how many questions
        self._fresh_until = self._patient_from = 0.0

    def suspended(self) -> bool:
        """Return whether the session is suspended; blocks for :data:`WAIT_SECONDS` at most.

        If Tocsin does not say, what it said before holds.
        """
        with self._changed:
            now = monotonic()
            if now < self._fresh_until or not self.is_alive():
                return self._suspended
            if self._asked == self._answered:
                self._asked += 1
                self._changed.notify_all()
            question = self._asked
            if now >= self._patient_from:
                self._changed.wait_for(lambda: self._answered >= question, WAIT_SECONDS)
                if self._answered < question:
                    self._patient_from = monotonic() + _PATIENCE_SECONDS
            return self._suspended

    def run(self) -> None:
        """Answer question after question."""
        from tocsin.client import Backoff, BadEnvironment, Client

        try:
            client = Client(self._url, self._api_key, backoff=Backoff(attempts=1))
        except BadEnvironment:  # which the sender says
            return
        with client:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._asked > self._answered)
                self._answer(_said(client, self._body))

    def _answer(self, suspended: bool | None) -> None:
        with self._changed:
            self._answered = self._asked
            now = monotonic()
            if suspended is None:
                self._patient_from = now + _PATIENCE_SECONDS
            else:
                self._suspended, self._fresh_until = suspended, now + _FRESH_SECONDS
                self._patient_from = 0.0
            self._changed.notify_all()


def _said(client: "Client", body: dict[str, Any]) -> bool | None:
    """Return whether Tocsin says that the session is suspended; None: it says nothing."""
    try:
        answer = client.call("POST", _PATH, body=body)
        return answer.get("suspended") is True if "decision" in answer else None
    except Exception:  # whatever it is: the agent's tools come first
        return None
