"""What an org may still send this month: reserved before it is stored, so that the limit holds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from tocsin.domain.batch import Batch
from tocsin.domain.errors import Busy, Forbidden, OutcomeUnknown, QuotaExhausted
from tocsin.domain.org import Org
from tocsin.domain.times import utc
from tocsin.ports.intake import Quota
from tocsin.ports.world import Clock

__all__ = ["Allowance"]


class Allowance:
    """The monthly quotas of orgs."""

    def __init__(self, org: Callable[[str], Org | None], quota: Quota, clock: Clock) -> None:
        """``org`` returns an org, as :meth:`.Access.org` remembers it: it is read once for all."""
        self._org = org
        self._quota = quota
        self._clock = clock

    @contextmanager
    def reserved(self, batch: Batch) -> Iterator[int]:
        """Reserve a batch's events; yield how many are left.

        If the block fails they are given back; not if it raises OutcomeUnknown: they may be stored.

        Raises:
            QuotaExhausted: there is no room for them.
            Forbidden: there is no such org (any more).
        """
        limit = self._limit(batch.org)
        left = self._quota.reserve(batch.org, _month(batch.received_at_ms), batch.count, limit)
        if left is None:
            raise self._exhausted(batch, limit)
        try:
            yield left
        except OutcomeUnknown:
            raise
        except Exception:
            self.release(batch)
            raise

    def release(self, batch: Batch) -> None:
        """Give back what was reserved for a batch that is not stored.

        If the store does not answer they stay counted: that keeps the limit, and it is not what
        the caller has to be told.
        """
        with suppress(Busy):
            self._quota.release(batch.org, _month(batch.received_at_ms), batch.count)

    def counted_with(self, batch: Batch, at_ms: int) -> bool:
        """Whether what was reserved at ``at_ms`` counts in the batch's own month."""
        return _month(batch.received_at_ms) == _month(at_ms)

    def left(self, org: str) -> int:
        """Return how many events the org may still send this month."""
        used = self._quota.used(org, _month(self._clock.now_ms()))
        return max(0, self._limit(org) - used)

    def _limit(self, org: str) -> int:
        found = self._org(org)
        if found is None:
            raise Forbidden(f"there is no org {org}: tocsin keys create makes it, with a key")
        return found.events_per_month

    def _exhausted(self, batch: Batch, limit: int) -> QuotaExhausted:
        now = utc(batch.received_at_ms)
        renewed = (now.replace(day=1, hour=0, minute=0, second=0) + timedelta(days=32)).replace(
            day=1
        )
        month = _month(batch.received_at_ms)
        left = max(0, limit - self._quota.used(batch.org, month))
        return QuotaExhausted(
            f"{batch.count:,} events were sent and {left:,} of {limit:,} are left "
            f"in {month}: wait for the next month, or have the limit raised",
            retry_after_seconds=int((renewed - now).total_seconds()) + 1,
        )


def _month(now_ms: int) -> str:
    return utc(now_ms).strftime("%Y-%m")
