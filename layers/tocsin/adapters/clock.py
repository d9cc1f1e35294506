"""The system's time."""

import time

__all__ = ["SystemClock"]


class SystemClock:
    """:class:`~tocsin.ports.Clock` on the system's time."""

    def now_ms(self) -> int:
        """Return the Unix time in milliseconds."""
        return time.time_ns() // 1_000_000
