"""Agents' sessions: seen, suspended, resumed and completed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self

from tocsin.client._asking import Asking, AsyncAsking, Flow, Question, listed, one, path
from tocsin.domain.limits import MAX_LIST_EVENTS

__all__ = ["AsyncSessions", "Session", "Sessions"]

_SESSIONS: Final = "/api/v1/sessions"


@dataclass(frozen=True, slots=True)
class Session:
    """An agent's session; ``fields`` is all that Tocsin said of it."""

    id: str
    status: Literal["active", "suspended", "completed"]
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Return it as Tocsin's answers have it; raises KeyError or TypeError: it is none."""
        return cls(fields["id"], fields["status"], fields)


class Sessions(Asking):
    """A client's methods of sessions."""

    def sessions(self, limit: int = MAX_LIST_EVENTS) -> list[Session]:
        """Return sessions, the newest seen first: ``limit`` at most, 1,000 in a request.

        Raises:
            ApiError: Tocsin refused.
            httpx.TransportError: Tocsin can't be reached.
        """
        return self._run(_all(limit))

    def session(self, id: str) -> Session:
        """Return one session; raises what :meth:`sessions` raises."""
        return self._run(_one(id))

    def suspend_session(self, id: str, reason: str = "") -> Session:
        """Have a session's calls denied, and its senders told, within 5 seconds.

        The key has the scope ``approve``. Raises what :meth:`sessions` raises.
        """
        return self._run(_decided(id, "suspend", reason))

    def resume_session(self, id: str, reason: str = "") -> Session:
        """Let a suspended session go on; as :meth:`suspend_session`."""
        return self._run(_decided(id, "resume", reason))

    def complete_session(self, id: str, reason: str = "") -> Session:
        """Say that a session is over; as :meth:`suspend_session`."""
        return self._run(_decided(id, "complete", reason))


class AsyncSessions(AsyncAsking):
    """The same for asyncio; see :class:`Client`'s methods."""

    async def sessions(self, limit: int = MAX_LIST_EVENTS) -> list[Session]:
        """Return sessions, the newest seen first."""
        return await self._run(_all(limit))

    async def session(self, id: str) -> Session:
        """Return one session."""
        return await self._run(_one(id))

    async def suspend_session(self, id: str, reason: str = "") -> Session:
        """Have a session's calls denied."""
        return await self._run(_decided(id, "suspend", reason))

    async def resume_session(self, id: str, reason: str = "") -> Session:
        """Let a suspended session go on."""
        return await self._run(_decided(id, "resume", reason))

    async def complete_session(self, id: str, reason: str = "") -> Session:
        """Say that a session is over."""
        return await self._run(_decided(id, "complete", reason))


def _all(limit: int) -> Flow[list[Session]]:
    return listed(_SESSIONS, limit, Session.from_fields, "list of sessions")


def _one(id: str) -> Flow[Session]:
    return one(Question("GET", path(_SESSIONS, id)), Session.from_fields, "session")


def _decided(id: str, verb: str, reason: str) -> Flow[Session]:
    question = Question("POST", path(_SESSIONS, id, verb), body={"reason": reason})
    return one(question, Session.from_fields, "session")
