"""What the stream service is made of."""

from dataclasses import dataclass
from typing import Protocol

from tocsin.domain.limits import MAX_STREAMS
from tocsin.domain.retention import Retention
from tocsin.ports.deciding import Approvals
from tocsin.ports.detecting import DetectionSettings
from tocsin.ports.evidence import Trees
from tocsin.ports.log import Feed, Journal, Ledger, Summaries
from tocsin.ports.projections import Projections
from tocsin.ports.world import Clock, Metrics
from tocsin.services.access.presented import Credentials

__all__ = ["LiveFeed", "StreamLimits", "StreamParts"]


class LiveFeed(Feed, Protocol):
    """A feed that can tell whether its broker answers."""

    async def alive(self) -> bool:
        """Whether the broker answers now."""

    async def aclose(self) -> None:
        """Close its connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """How many streams there may be, of which events, and all their timings."""

    allowed_types: frozenset[str] | None = None  # event types; None: all, as far as the key goes
    max_streams: int = MAX_STREAMS  # at once, in this process
    max_streams_per_org: int | None = None
    max_streams_per_key: int | None = None
    heartbeat_seconds: float | None = None  # of silence; None: as each dialect's document says
    stall_seconds: float = 60.0  # after this a client that takes nothing is given up
    look_seconds: float = 5.0  # how often a ledger's head is looked at, with a feed
    poll_seconds: float = 0.5  # and without one
    recheck_seconds: float = 15.0  # how often the keys of open streams are checked again
    grace_seconds: float = 10.0  # how long a log is followed after its last subscriber left
    ring_events: int = 4_096  # per org, and at most ring_bytes of entries
    ring_bytes: int = 8 * 1024 * 1024
    retry_ms: int = 2_000  # how long a client that was cut waits at least before it comes back
    spread_ms: int = 10_000  # and at most this much longer: random, and grows with the streams
    retention_days: int | None = None  # None: nothing has expired, so all must be in the journal
    max_seconds: float | None = None  # after this a stream is ended; its client comes back
    max_bytes: int | None = None  # a stream is ended before this, but not before its first chunk
    metrics_seconds: float = 60.0  # between two reports


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamParts:
    """The ports, and the limits within which they are used.

    Without a feed the ledgers' heads are looked at instead. Without projections a list looks
    through the whole ledger for a session or an agent, and without summaries at all that it goes
    through. Without approvals nobody waits for any, and without detection's settings dry runs are
    by the usual ones. Without trees nothing is proved.
    """

    ledger: Ledger
    journal: Journal
    credentials: Credentials
    clock: Clock
    feed: LiveFeed | None = None
    projections: Projections | None = None
    summaries: Summaries | None = None
    metrics: Metrics | None = None
    approvals: Approvals | None = None
    detection_settings: DetectionSettings | None = None
    trees: Trees | None = None
    limits: StreamLimits = StreamLimits()

    def retention(self) -> Retention:
        """Return what the journal may have dropped by now."""
        return Retention(self.clock.now_ms(), self.limits.retention_days)
