"""What the stream service is made of."""

from dataclasses import dataclass
from typing import Protocol

from tocsin.domain.keys import ApiKey, Scope
from tocsin.ports import Clock, Feed, Journal, Ledger, Metrics, Projections
from tocsin.services.sessions import Sessions
from tocsin.services.tickets import Tickets
from tocsin.wire.negotiation import BareRoute

__all__ = ["Access", "LiveFeed", "StreamParts"]

DAY_MS = 86_400_000


class Access(Protocol):
    """Who may: :class:`tocsin.services.access.Access`."""

    def authorize(self, authorization: str | None, scope: Scope, /) -> ApiKey:
        """Return the key, or raise Unauthenticated, Forbidden or Busy; blocks."""


class LiveFeed(Feed, Protocol):
    """A feed that can tell whether its broker answers."""

    async def alive(self) -> bool:
        """Whether the broker answers now."""

    async def aclose(self) -> None:
        """Close what connections there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamParts:
    """The ports and the numbers.

    Without a feed the ledgers' heads are looked at instead. Without projections a list looks
    through the whole ledger for a session or an agent.
    """

    ledger: Ledger
    journal: Journal
    access: Access
    clock: Clock
    feed: LiveFeed | None = None
    sessions: Sessions | None = None  # None: no cookie is taken
    tickets: Tickets | None = None
    allowed_origins: frozenset[str] = frozenset()  # whose pages may use a session's cookie, too
    projections: Projections | None = None
    allowed_types: frozenset[str] | None = None  # event types; None: all, as far as the key goes
    max_streams: int = 10_000  # at once, in this process
    max_streams_per_org: int | None = None
    max_streams_per_key: int | None = None
    token_in_query: bool = True  # whether ?token=<key> will do for the Authorization header
    bare_events_route: BareRoute = "stream"
    keepalive_seconds: float | None = None  # None: as each dialect's document says
    stall_seconds: float = 60.0  # after which a client that takes nothing is given up
    look_seconds: float = 5.0  # how often a ledger's head is looked at although the feed is there
    poll_seconds: float = 0.5  # and without a feed
    recheck_seconds: float = 20.0  # how often the keys of open streams are checked again
    grace_seconds: float = 10.0  # how long a log is followed after its last subscriber left
    ring_events: int = 4_096  # per org, and at most ring_bytes of entries
    ring_bytes: int = 8 * 1024 * 1024
    retry_ms: int = 2_000  # how long a client that was cut waits at least before it comes back
    spread_ms: int = 10_000  # and at most so much longer: by chance, and the more streams there are
    retention_days: int | None = None  # None: nothing was expired, so all must be in the journal
    max_seconds: float | None = None  # after which a stream is ended; its client comes back
    max_bytes: int | None = None  # before which a stream is ended, but not before its first chunk
    metrics: Metrics | None = None
    metrics_seconds: float = 60.0  # between two reports

    def expired_before_ms(self) -> int:
        """Return the Unix time in milliseconds before which the journal may have dropped events."""
        if self.retention_days is None:
            return 0
        return self.clock.now_ms() - self.retention_days * DAY_MS
