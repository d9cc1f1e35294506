"""What is sealed, with when it was: an org's events forwards, checked as a replay checks them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tocsin.domain.retention import KEEPS_ALL, Retention
from tocsin.domain.segment import SealedEvent
from tocsin.ports.log import Journal, Ledger
from tocsin.services.reading.checked import fetch, parts_after, take

__all__ = ["Part", "sealed_after"]

_EVENTS_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Part:
    """The events of one batch, sealed at the same time (Unix ms); none where they are not kept.

    ``last_seq`` is that of its last event, and ``hash`` the ledger's there.
    """

    sealed_at_ms: int
    events: tuple[SealedEvent, ...]
    last_seq: int
    hash: bytes


def sealed_after(
    ledger: Ledger,
    journal: Journal,
    org: str,
    after_seq: int,
    *,
    expected_hash: bytes | None = None,
    retention: Retention = KEEPS_ALL,
) -> Iterator[Part]:
    """Yield what is sealed after a seq, part by part, to the ledger's end.

    ``expected_hash`` is what the caller knows as hash(after_seq).

    Raises:
        IntegrityError: the next event is not the one that was sealed; names its seq.
        Busy: a store does not answer.
    """
    parts = parts_after(ledger, org, after_seq, expected_hash)
    while True:
        group, broken = take(parts, _EVENTS_AT_ONCE)
        for part, sealed in fetch(ledger, journal, group, retention):
            events = tuple(event for event in sealed or () if event.seq > after_seq)
            yield Part(part.sealed_at_ms, events, part.last_seq, part.hash_after)
        if broken is not None:
            raise broken
        if not group:
            return
