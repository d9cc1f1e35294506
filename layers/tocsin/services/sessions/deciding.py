"""Suspending, resuming and completing a session."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tocsin.domain.errors import Conflict, NotFound
from tocsin.domain.limits import MAX_NAME_CHARS, MAX_SUSPENDED_SESSIONS
from tocsin.domain.sessions import SessionState, SessionStatus
from tocsin.ports.deciding import SessionStates
from tocsin.ports.world import Clock
from tocsin.services.intake.told import tell

__all__ = ["Deciding"]


class Deciding:
    """The use cases behind ``/api/v1/sessions/{id}/suspend`` and its sisters. Everything blocks.

    A session need not have been seen before: one can be suspended that is about to begin.
    """

    def __init__(self, states: SessionStates, clock: Clock) -> None:
        self._states = states
        self._clock = clock

    def states(self, org: str, ids: Sequence[str]) -> Mapping[str, SessionState]:
        """Return what was decided about these sessions, if anything was."""
        return self._states.get(org, ids)

    def set(self, org: str, by: str, id: str, status: SessionStatus, reason: str) -> SessionState:
        """Give a session a status, and tell of it; nothing is told where it has it already.

        ``by`` is whoever decided it: a key's holder, or a part of Tocsin.

        Raises:
            NotFound: there can be no such session.
            Conflict: the org has :data:`.limits.MAX_SUSPENDED_SESSIONS`.
            Busy: nothing was written; or OutcomeUnknown: it may have been.
        """
        if not 1 <= len(id) <= MAX_NAME_CHARS:
            raise NotFound("there is no such session")

        def plan(now: SessionState, at_ms: int) -> tuple[SessionState, Sequence[dict[str, Any]]]:
            if now.status is status:
                return now, []
            if status is SessionStatus.SUSPENDED:
                self._check_room(org)
            event = {
                "type": "session_update",
                "session_id": id,
                "status": str(status),
                "user_id": by,
                "data": {"previous": str(now.status), "reason": reason},
            }
            next = replace(now, status=status, reason=reason, by=by, at_ms=at_ms)
            return next, [event]

        def read() -> SessionState:
            return self._states.get(org, [id]).get(id, SessionState(org=org, id=id))

        return tell(org, self._clock, read, plan, self._states.write, "session")

    def _check_room(self, org: str) -> None:
        if len(self._states.suspended(org)) >= MAX_SUSPENDED_SESSIONS:
            raise Conflict(
                f"{MAX_SUSPENDED_SESSIONS:,} sessions are suspended: resume or complete some first"
            )
