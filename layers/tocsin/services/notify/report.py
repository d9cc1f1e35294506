"""What became of a round of deliveries."""

import threading
from collections import Counter
from dataclasses import dataclass, field

from tocsin.domain.deliveries import Attempt, Outcome
from tocsin.domain.endpoints import Endpoint
from tocsin.domain.errors import Busy
from tocsin.domain.ids import batch_of, batch_time_ms

__all__ = ["Report"]

type _Place = tuple[str, str]


@dataclass(slots=True)
class Report:
    """By org and endpoint: ``failed`` must be tried again; ``broken`` would not get further by it.

    ``paused`` are those that were by themselves, with the attempt after which. ``outcomes`` counts
    the attempts by what became of them, ``given_up`` what is passed over. ``lags_ms`` is how long
    after it was received each event arrived, of those that did at the first attempt.

    Several threads may write it.
    """

    failed: dict[_Place, Busy] = field(default_factory=dict)
    broken: dict[_Place, Exception] = field(default_factory=dict)
    paused: list[tuple[Endpoint, Attempt]] = field(default_factory=list)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    lags_ms: list[int] = field(default_factory=list)
    given_up: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, org: str, id: str, error: Exception) -> None:
        """Note what an endpoint raised."""
        with self._lock:
            if isinstance(error, Busy):
                self.failed[org, id] = error
            else:
                self.broken[org, id] = error

    def attempted(self, attempt: Attempt) -> None:
        """Count an attempt."""
        batch = batch_of(attempt.event_id)
        with self._lock:
            self.outcomes[attempt.outcome] += 1
            self.given_up += attempt.given_up
            if attempt.outcome is Outcome.DELIVERED and attempt.attempt == 1 and batch:
                self.lags_ms.append(max(attempt.at_ms - batch_time_ms(batch[0]), 0))

    def pause(self, endpoint: Endpoint, last: Attempt) -> None:
        """Note that an endpoint was paused by itself."""
        with self._lock:
            self.paused.append((endpoint, last))
