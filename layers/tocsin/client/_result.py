"""What Tocsin answers to events that were sent."""

from collections.abc import Sequence
from dataclasses import dataclass

from tocsin.domain.errors import Detail

__all__ = ["Place", "Rejection", "SendResult"]


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that was left out of a ``partial`` request: its place there, and why."""

    index: int
    details: Sequence[Detail]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event is in its org's ledger; None: it was not known in time."""

    id: str
    seq: int | None
    hash: str | None


@dataclass(frozen=True, slots=True)
class SendResult:
    """What Tocsin took.

    Attributes:
        ingested: Events that are stored now.
        rejected: Events that were left out; only with ``partial``.
        rejections: Why, as far as Tocsin told; ``index`` counts from the first event sent.
        remaining_quota: Events that the org may still send this month.
        ignored_fields: Names that have no place in an event, sorted: they are not stored.
        places: Where the ingested events are, in their order; only with ``wait="sealed"``.
        suspended: Whether a person has suspended a session of these events, as far as is known.
    """

    ingested: int = 0
    rejected: int = 0
    rejections: Sequence[Rejection] = ()
    remaining_quota: int | None = None
    ignored_fields: Sequence[str] = ()
    places: Sequence[Place] = ()
    suspended: bool = False

    def __add__(self, later: "SendResult") -> "SendResult":
        """Return the sum of both, with the quota of the later one."""
        quota = self.remaining_quota if later.remaining_quota is None else later.remaining_quota
        return SendResult(
            self.ingested + later.ingested,
            self.rejected + later.rejected,
            (*self.rejections, *later.rejections),
            quota,
            tuple(sorted({*self.ignored_fields, *later.ignored_fields})),
            (*self.places, *later.places),
            self.suspended or later.suspended,
        )
