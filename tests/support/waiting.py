"""Waits for a state. Only what hangs reaches their end; a slow or busy machine does not."""

import time
from collections.abc import Callable

__all__ = ["HANG_SECONDS", "until"]

HANG_SECONDS = 240.0  # pytest's own limit comes well after it, and says less


def until(condition: Callable[[], bool], what: str, seconds: float = HANG_SECONDS) -> None:
    """Wait for a state; fail when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.02)
