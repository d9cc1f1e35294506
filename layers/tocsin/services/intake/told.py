"""A change of state and the events that tell of it: written together, and once.

Each try takes a new batch id, and plans anew from what is stored: so a try whose answer was lost is
known by what it wrote, and one that another overtook is planned on what that one wrote.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tocsin.domain.batch import Batch
from tocsin.domain.errors import Busy, OutcomeUnknown
from tocsin.ports import Clock
from tocsin.services.intake.stamp import new_id, own_batch

__all__ = ["Plan", "tell"]

_TRIES: Final = 4


@dataclass(frozen=True, slots=True)
class Plan[State]:
    """What the state shall be, the change that it was last written by, and what is told of it.

    Without events there is nothing to write.
    """

    state: State
    was: str = ""
    events: Sequence[dict[str, Any]] = ()


def tell[State](
    org: str,
    clock: Clock,
    plan: Callable[[int, str], Plan[State]],
    write: Callable[[State, str, Batch, bytes], bool],
) -> State:
    """Write what ``plan`` makes of the time (Unix ms) and a batch id; return the state.

    ``write`` returns False where the state was written by another change than the plan says.

    Raises:
        Busy: nothing was written; or OutcomeUnknown: it may have been.
    """
    unknown = Busy("others are changing the same: send the request again")
    for _ in range(_TRIES):
        at_ms = clock.now_ms()
        batch_id = new_id(at_ms)
        planned = plan(at_ms, batch_id)
        if not planned.events:
            return planned.state
        try:
            if write(planned.state, planned.was, *own_batch(org, planned.events, batch_id)):
                return planned.state
        except OutcomeUnknown as error:
            unknown = error
    raise unknown
