"""Sessions that begin: each is told once, whoever repeats it and wherever it was killed."""

from collections.abc import Sequence
from itertools import batched
from typing import Final

from tocsin.domain.errors import Busy, OutcomeUnknown
from tocsin.domain.sessions import SessionState
from tocsin.ports.deciding import SessionStates
from tocsin.ports.world import Clock
from tocsin.services.intake.stamp import new_id, own_batch

__all__ = ["Beginning"]

_TRIES: Final = 5
_AT_ONCE: Final = 99  # a DynamoDB transaction has 100 items, one of them the batch that tells


class Beginning:
    """What the projector calls for the sessions that it meets first. Everything blocks."""

    def __init__(self, states: SessionStates, clock: Clock) -> None:
        self._states = states
        self._clock = clock

    def __call__(self, org: str, ids: Sequence[str]) -> None:
        """Make those of the sessions active that have no status, and tell of each.

        Raises:
            Busy: some may not be told yet; repeating it tells of no other twice.
        """
        for some in batched(ids, _AT_ONCE, strict=False):
            self._begin(org, some)

    def _begin(self, org: str, ids: Sequence[str]) -> None:
        unknown = Busy("others are changing the same sessions: they are told later")
        for _ in range(_TRIES):
            known = self._states.get(org, ids)
            new = [id for id in ids if id not in known]
            if not new:
                return
            at_ms = self._clock.now_ms()
            batch_id = new_id(at_ms)
            states = [SessionState(org=org, id=id, at_ms=at_ms, change=batch_id) for id in new]
            events = [
                {"type": "session_update", "session_id": each.id, "status": str(each.status)}
                for each in states
            ]
            try:
                if self._states.begin(states, *own_batch(org, events, batch_id)):
                    return
            except OutcomeUnknown as error:
                unknown = error
        raise unknown
