"""What a format of events is to the use case that takes them in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tocsin.wire.intake.incoming import Incoming

__all__ = ["Accepted", "Answer", "Format", "Place", "Reader"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event is in its ledger, once that is known."""

    id: str
    seq: int | None = None
    hash: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a request whose events, if it had any, are stored.

    ``places`` is None if nobody waits for them. A session of the events is ``suspended``, or none.
    ``duplicates`` of the events had been stored before, or stand in the request twice.
    """

    quota_left: int
    places: Sequence[Place] | None = None
    suspended: bool = False
    duplicates: int = 0


type Answer = Callable[[Accepted], bytes]
"""Writes the answer. It can't fail: the events are stored by then."""


class Reader(Protocol):
    """What reads a request's body."""

    def __call__(self, body: bytes, *, partial: bool) -> Incoming:
        """Return the events of a body, which is inflated and 4 MB at most.

        Raises:
            Refused: one of its kinds; with ``partial`` invalid events are among the rejected.
        """


@dataclass(frozen=True, slots=True)
class Format:
    """How events are written into a request's body, and its answer.

    ``media_types`` are the content types that it is sent as; None: all there are. ``answer``
    prepares the answer before anything is stored, as everything that can fail. ``once`` returns
    what is the same in a repetition of a request that comes without an idempotency key; without it
    each is new. Neither is asked of :class:`~tocsin.wire.intake.identified.Identified` events.
    """

    media_types: frozenset[str] | None
    read: Reader
    answer: Callable[[Incoming], Answer]
    once: Callable[[bytes], str] | None = None
