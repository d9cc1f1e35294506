"""Suspending, resuming and completing a session."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from tocsin.domain.errors import Busy, Conflict, NotFound, OutcomeUnknown
from tocsin.domain.keys import ApiKey
from tocsin.domain.limits import MAX_NAME_CHARS, MAX_SUSPENDED_SESSIONS
from tocsin.domain.sessions import SessionState, SessionStatus
from tocsin.ports import Clock, SessionStates
from tocsin.services.intake.stamp import new_id, own_batch

__all__ = ["Deciding"]

_TRIES: Final = 4


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

    def set(self, key: ApiKey, id: str, status: SessionStatus, reason: str) -> SessionState:
        """Give a session a status, and tell of it; nothing is told where it has it already.

        Raises:
            NotFound: there can be no such session.
            Conflict: the org has :data:`.limits.MAX_SUSPENDED_SESSIONS`.
            Busy: nothing was written; or OutcomeUnknown: it may have been.
        """
        if not 1 <= len(id) <= MAX_NAME_CHARS:
            raise NotFound("there is no such session")
        unknown = Busy("others are changing the same session: send the request again")
        for _ in range(_TRIES):
            now = self._states.get(key.org, [id]).get(id, SessionState(org=key.org, id=id))
            if now.status is status:
                return now
            if status is SessionStatus.SUSPENDED:
                self._check_room(key.org)
            at_ms = self._clock.now_ms()
            batch_id = new_id(at_ms)
            next = replace(
                now, status=status, reason=reason, by=key.holder, at_ms=at_ms, change=batch_id
            )
            event = {
                "type": "session_update",
                "session_id": id,
                "status": str(status),
                "user_id": key.holder,
                "data": {"previous": str(now.status), "reason": reason},
            }
            try:
                if self._states.write(next, now.change, *own_batch(key.org, [event], batch_id)):
                    return next
            except OutcomeUnknown as error:
                unknown = error
        raise unknown

    def _check_room(self, org: str) -> None:
        if len(self._states.suspended(org)) >= MAX_SUSPENDED_SESSIONS:
            raise Conflict(
                f"{MAX_SUSPENDED_SESSIONS:,} sessions are suspended: resume or complete some first"
            )
