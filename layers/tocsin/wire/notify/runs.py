"""How many events a request takes, by an endpoint's format."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tocsin.domain.endpoints import Format
from tocsin.domain.segment import SealedEvent
from tocsin.wire.notify import objects, splunk

__all__ = ["Run", "run_of"]


@dataclass(frozen=True, slots=True)
class Run:
    """What a request holds at most, by entries and what is around each.

    Less is sent when the first of its events was received ``linger_ms`` ago.
    """

    max_events: int
    max_bytes: int
    around_bytes: int = 0
    linger_ms: int = 0

    def bytes_of(self, event: SealedEvent) -> int:
        """Return what an event takes of ``max_bytes``; the first may take more than there are."""
        return len(event.entry) + self.around_bytes


_OBJECT: Final = Run(10_000, objects.MAX_ENTRIES_BYTES, linger_ms=5 * 60_000)

_RUNS: Final[Mapping[Format, Run]] = {
    Format.SPLUNK: Run(1_000, splunk.MAX_BODY_BYTES, splunk.AROUND_BYTES),
    Format.S3: _OBJECT,
    Format.PARQUET: _OBJECT,
}


def run_of(format: Format) -> Run | None:
    """Return what a request holds; None: one event."""
    return _RUNS.get(format)
