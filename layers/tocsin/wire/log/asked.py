"""What a log is asked to prove."""

from dataclasses import dataclass
from typing import Final

from tocsin.domain.errors import Malformed
from tocsin.wire.filters import Query
from tocsin.wire.parameters import flag, known, number, once

__all__ = ["ConsistencyAsked", "InclusionAsked", "asked"]

_INCLUSION: Final = frozenset({"seq", "id", "entry"})
_CONSISTENCY: Final = frozenset({"from", "to"})


@dataclass(frozen=True, slots=True)
class InclusionAsked:
    """That an event is in the log: by its seq, or its id; the event goes with it if it is kept."""

    seq: int | None
    id: str
    with_entry: bool


@dataclass(frozen=True, slots=True)
class ConsistencyAsked:
    """That a checkpoint of at least ``new`` events (None: the last) goes on from ``old`` ones."""

    old: int
    new: int | None


def asked(query: Query) -> InclusionAsked | ConsistencyAsked:
    """Return what is to be proved.

    Raises:
        Malformed: it is not said, or not in one way.
    """
    known(query, _INCLUSION | _CONSISTENCY)
    given = once(query, _INCLUSION | _CONSISTENCY)
    if given.keys() & _CONSISTENCY:
        old = number(given, "from", "the size of an earlier checkpoint")
        new = number(given, "to", "the size of a later checkpoint")
        if given.keys() & _INCLUSION or old is None or (new is not None and new < old):
            raise Malformed("give from and perhaps to, the sizes of two checkpoints, or seq, or id")
        return ConsistencyAsked(old, new)
    seq = number(given, "seq", "the seq of an event, from 1")
    if ("seq" in given) == ("id" in given) or seq == 0:
        raise Malformed("give seq, from 1, or id, an event's; or from and to")
    with_entry = "entry" not in given or flag(query, "entry")
    return InclusionAsked(seq, given.get("id", ""), with_entry)
