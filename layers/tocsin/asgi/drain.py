"""Hear SIGTERM before the server waits for streams that would never end by themselves."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["on_sigterm"]


@contextmanager
def on_sigterm(call: Callable[[], None]) -> Iterator[None]:
    """Run ``call`` in the event loop on SIGTERM and SIGINT, before the handlers already there."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread can listen to signals: the server can't either
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(call)
        if callable(handler := before[signal.Signals(number)]):
            handler(number, frame)

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
