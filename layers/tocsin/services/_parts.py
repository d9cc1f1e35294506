"""What the stream service is made of."""

from dataclasses import dataclass
from typing import Protocol

from tocsin.domain.keys import ApiKey, Scope
from tocsin.ports import Clock, Feed, Journal, Ledger

__all__ = ["Access", "LiveFeed", "StreamParts"]


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
    """The ports and the numbers. Without a feed the ledgers' heads are looked at instead."""

    ledger: Ledger
    journal: Journal
    access: Access
    clock: Clock
    feed: LiveFeed | None = None
    keepalive_seconds: float = 15.0
    look_seconds: float = 5.0  # how often a ledger's head is looked at although the feed is there
    poll_seconds: float = 0.5  # and without a feed
    recheck_seconds: float = 20.0  # how often the keys of open streams are checked again
    grace_seconds: float = 10.0  # how long a log is followed after its last subscriber left
    ring_events: int = 4_096  # per org, and at most ring_bytes of entries
    ring_bytes: int = 8 * 1024 * 1024
    retry_ms: int = 2_000  # how long a client that was cut waits before it comes back
    retention_days: int | None = None  # None: nothing was expired, so all must be in the journal
    max_seconds: float | None = None  # after which a stream is ended; its client comes back
    max_bytes: int | None = None  # before which a stream is ended, but not before its first chunk
