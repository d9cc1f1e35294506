"""One step of approvals, made once: the state and the event that tells of it.

Each try takes a new batch id. Whoever finds a state with the id of one of its own tries has made
that step, whatever became of the answer; so a lost one is neither made twice nor reported as lost.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tocsin.domain.approvals import Approval, Step
from tocsin.domain.errors import Busy, OutcomeUnknown
from tocsin.ports.deciding import Approvals
from tocsin.ports.world import Clock
from tocsin.services.intake.stamp import new_id, own_batch

__all__ = ["Plan", "Steps"]

_TRIES: Final = 8
_LONGEST_PAUSE_SECONDS: Final = 0.2

type Plan = Callable[[Mapping[str, Approval], int], Step]
"""Says what to do, by the approvals as they are and the time in milliseconds.

It is asked again for every try. A step without events is none, and nothing is written.
"""


class Steps:
    """Takes steps on a store. Everything blocks."""

    def __init__(self, store: Approvals, clock: Clock) -> None:
        self.store = store
        self.clock = clock

    def take(self, org: str, ids: Sequence[str], plan: Plan) -> Step:
        """Return the step that was taken on the approvals with these ids.

        Raises:
            Busy: nothing was written; others kept changing the same.
            OutcomeUnknown: it may have been taken.
            Whatever ``plan`` raises: nothing was written.
        """
        tried: dict[str, Step] = {}
        unknown: OutcomeUnknown | None = None
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(random.uniform(0, _LONGEST_PAUSE_SECONDS) * attempt / _TRIES)  # noqa: S311
            found = self.store.get(org, ids)
            for approval in found.values():
                if approval.change in tried:
                    return tried[approval.change]
            step = plan(found, now_ms := self.clock.now_ms())
            if not step.events:
                return step
            batch, packed = own_batch(org, [dict(event) for event in step.events], new_id(now_ms))
            step = tried[batch.id] = step.told_by(batch.id)
            try:
                if self.store.write(org, step, batch, packed):
                    return step
            except OutcomeUnknown as error:
                unknown = error
        raise unknown or Busy("others are changing the same approvals: send the request again")
