"""What the stream service tells its operators about itself, added up between two reports."""

import random
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from tocsin.domain.errors import TocsinError
from tocsin.domain.segment import SealedEvent
from tocsin.ports.world import Clock
from tocsin.services.stream.subscriber import Subscriber

__all__ = ["MAX_LAGS", "Meter"]

MAX_LAGS = 100  # the most values that a metric may have in one line of CloudWatch's format


class Meter:
    """Counts in this process. Used in the event loop's thread only.

    ========================  ==================================================================
    ``Connections``           streams that are open at the time of the report
    ``StreamLagMs``           milliseconds from when ingestion received an event to its arrival in
                              the ring that all streams are served from: what a watcher waits.
                              Of events that arrive together the first is taken, which waited
                              longest; of more than a hundred arrivals a random hundred
    ``SentBytes``             what streams were given, without their openings
    ``StalledClients``        streams given up because their clients took nothing
    ``Refused<Reason>``       requests refused, by the error's name: ``RefusedCrowded``,
                              ``RefusedLimitReached``, ``RefusedUnauthenticated`` …
    ========================  ==================================================================

    No org is named, nor anything else of which there can be any number. The last two are left out
    when they are zero, since what is never sent is never paid for.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._arrivals = 0
        self._lags_ms: list[int] = []
        self._left_bytes = 0  # of all streams that have ended
        self._told_bytes = 0
        self._stalled = 0
        self._refused: Counter[str] = Counter()

    def arrived(self, event: SealedEvent) -> None:
        """Note the first event of those that arrived together."""
        self._arrivals += 1
        place = len(self._lags_ms)
        if place == MAX_LAGS:  # so that each arrival so far is equally likely to be kept
            place = random.randrange(self._arrivals)  # noqa: S311 (a sample)
        if place < MAX_LAGS:
            self._lags_ms[place : place + 1] = [self._lag_ms(event)]

    def left(self, subscriber: Subscriber) -> None:
        """Note the end of a stream."""
        self._left_bytes += subscriber.sent_bytes
        self._stalled += subscriber.stalled

    def refused(self, error: TocsinError) -> None:
        """Note a request that was not served."""
        self._refused[type(error).__name__] += 1

    def take(self, open: Collection[Subscriber]) -> Mapping[str, float | Sequence[float]]:
        """Return the figures since the last time; ``open`` are the streams there are."""
        sent_bytes = self._left_bytes + sum(subscriber.sent_bytes for subscriber in open)
        figures: dict[str, float | Sequence[float]] = {
            "Connections": len(open),
            "SentBytes": sent_bytes - self._told_bytes,
        }
        if self._lags_ms:
            figures["StreamLagMs"] = self._lags_ms
        if self._stalled:
            figures["StalledClients"] = self._stalled
        figures |= {f"Refused{reason}": count for reason, count in self._refused.items()}
        self._told_bytes = sent_bytes
        self._arrivals, self._lags_ms, self._stalled = 0, [], 0
        self._refused.clear()
        return figures

    def _lag_ms(self, event: SealedEvent) -> int:
        received_at_ms = event.received_at_ms
        return 0 if received_at_ms is None else max(0, self._clock.now_ms() - received_at_ms)
