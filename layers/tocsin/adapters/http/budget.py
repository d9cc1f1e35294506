"""What one request may take: a time at which it ends, and how many bytes are read of its answer."""

import time
from dataclasses import dataclass
from typing import Final

import httpcore

from tocsin.adapters.http.failures import TooMuch
from tocsin.domain.limits import DELIVERY_SECONDS

__all__ = ["MAX_ANSWER_BYTES", "Budget", "Patience"]

MAX_ANSWER_BYTES: Final = 256 * 1024
"""Off the wire, the TLS handshake included: several times what an ordinary answer's head takes."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited, in seconds: for all of a request, and of that for the answer's body.

    By then the status has come, which decides. An idle connection is kept for less time than
    servers keep it (Node.js and Apache: 5), so that it is seldom they who close it.
    """

    request: float = DELIVERY_SECONDS
    body: float = 2.0
    idle: float = 4.0


class Budget:
    """What is left. A peer that sends a byte now and then gets no more time by that."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds
        self._began = time.monotonic()
        self._bytes = MAX_ANSWER_BYTES

    @property
    def elapsed_ms(self) -> int:
        """How long the request has taken."""
        return round((time.monotonic() - self._began) * 1_000)

    def seconds(self) -> float:
        """Return how long a step may take.

        Raises:
            httpcore.TimeoutException: the time is up.
        """
        left = self._ends - time.monotonic()
        if left <= 0:
            raise httpcore.TimeoutException
        return left

    def hurry(self, seconds: float) -> None:
        """End in so many seconds at most."""
        self._ends = min(self._ends, time.monotonic() + seconds)

    def read(self, size_bytes: int) -> None:
        """Take note of what came.

        Raises:
            TooMuch: it is more than is read of any answer.
        """
        self._bytes -= size_bytes
        if self._bytes < 0:
            raise TooMuch
