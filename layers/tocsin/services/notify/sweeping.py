"""Sweeping: wake the endpoints that have something to be sent though nothing woke them."""

from dataclasses import dataclass, field
from typing import Final

from tocsin.domain.deliveries import SKEW_MS
from tocsin.domain.endpoints import Order
from tocsin.domain.errors import Busy
from tocsin.domain.segment import Head
from tocsin.ports.log import Ledger
from tocsin.ports.notify import Endpoints, Kept, Wakes
from tocsin.ports.world import Clock

__all__ = ["Sweeping", "Swept"]

_LATE_MS: Final = 60_000  # then what should have been woken by a message was not


@dataclass(slots=True)
class Swept:
    """How many endpoints were woken; and why an org was not looked at, by org."""

    woken: int = 0
    failed: dict[str, Busy] = field(default_factory=dict)
    broken: dict[str, Exception] = field(default_factory=dict)


class Sweeping:
    """The use case behind a minute's schedule. It blocks."""

    def __init__(self, endpoints: Endpoints, ledger: Ledger, wakes: Wakes, clock: Clock) -> None:
        self._endpoints = endpoints
        self._ledger = ledger
        self._wakes = wakes
        self._clock = clock

    def __call__(self) -> Swept:
        """Look at every org that has active endpoints; one org's trouble holds up no other."""
        swept = Swept()
        for org in self._endpoints.orgs():
            try:
                now_ms, head = self._clock.now_ms(), self._ledger.head(org)
                quick, slow = list[str](), list[str]()
                for each in self._endpoints.all(org):
                    if each.endpoint.active and _is_due(each, head, now_ms):
                        is_slow = now_ms < each.progress.slow_until_ms
                        (slow if is_slow else quick).append(each.endpoint.id)
                for ids, slowly in ((quick, False), (slow, True)):
                    if ids:
                        self._wakes.wake(org, ids, slow=slowly)
                        swept.woken += len(ids)
            except Busy as error:
                swept.failed[org] = error
            except Exception as error:  # whatever an org's data can raise
                swept.broken[org] = error
        return swept


def _is_due(kept: Kept, head: Head, now_ms: int) -> bool:
    """Whether something is to be sent, and whoever should have been woken for it was not."""
    progress = kept.progress
    if progress.held(now_ms):
        return False
    if progress.failing and progress.due_ms() <= now_ms - _LATE_MS:
        return True
    if not progress.room(now_ms, strict=kept.endpoint.order is Order.STRICT):
        return False
    just_sealed = now_ms - _LATE_MS < head.sealed_at_ms <= now_ms + SKEW_MS
    behind = progress.through_seq < head.seq and not just_sealed
    return behind or bool(kept.replays)
