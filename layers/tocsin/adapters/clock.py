"""The system's time."""

import time
from typing import override

from tocsin.ports.world import Clock

__all__ = ["SystemClock"]


class SystemClock(Clock):
    """The time that this machine's clock tells."""

    @override
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000
