"""A change of state and the events that tell of it: written together, and once.

Each try takes a new batch id, and plans anew from what is stored: so a try whose answer was lost is
known by what it wrote, and one that another overtook is planned on what that one wrote.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from tocsin.domain.batch import Batch
from tocsin.domain.errors import Busy, Changed, Conflict, NotFound, OutcomeUnknown
from tocsin.ports.world import Clock
from tocsin.services.intake.stamp import new_id, own_batch

__all__ = ["tell"]

_TRIES: Final = 4


class State(Protocol):
    """What is stored, and the batch that tells of its last change; empty: there is none yet."""

    @property
    def change(self) -> str:
        """The batch's id."""

    def __replace__(self, *, change: str) -> Any: ...


def tell[S: State](
    org: str,
    clock: Clock,
    read: Callable[[], S],
    plan: Callable[[S, int], tuple[S, Sequence[dict[str, Any]]]],
    write: Callable[[S, str, Batch, bytes], bool],
    what: str,
) -> S:
    """Write what ``plan`` makes of the state and the time (Unix ms); return what is there then.

    ``plan`` also says what is told; if that is nothing, the state stays. ``write`` returns False
    where the state was written by another change than the one it is given. ``what`` it is, in a
    word, is told where that happens again and again.

    Raises:
        Busy: nothing was written; or OutcomeUnknown: it may have been.
    """
    unknown = Busy(f"others are changing the same {what}: send the request again")
    tried = set[str]()
    for _ in range(_TRIES):
        now = read()
        if now.change in tried:  # the answer was lost
            return now
        at_ms = clock.now_ms()
        try:
            next, events = plan(now, at_ms)
        except (Changed, Conflict, NotFound):
            if isinstance(unknown, OutcomeUnknown):  # it may be ours, and was changed since
                raise unknown from None
            raise
        if not events:
            return now
        batch_id = new_id(at_ms)
        tried.add(batch_id)
        next = next.__replace__(change=batch_id)
        try:
            if write(next, now.change, *own_batch(org, events, batch_id)):
                return next
        except OutcomeUnknown as error:
            unknown = error
    raise unknown
