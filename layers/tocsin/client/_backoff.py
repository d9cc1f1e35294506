"""When a request is worth repeating, and how long to wait before that."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx
from tenacity import RetryCallState, retry_if_exception, stop_after_attempt, stop_never
from tenacity.wait import wait_random_exponential

from tocsin.client._errors import ApiError, StreamError

__all__ = ["Backoff", "is_busy", "is_failure", "is_transient", "raise_if_transient"]

_TRANSIENT_STATUS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_BROKEN_STATUS: Final = frozenset({500, 502, 504})
_MAX_ASKED_SECONDS: Final = 300.0  # an exhausted quota asks for weeks; but it may be raised before
_HOPELESS: Final = (httpx.UnsupportedProtocol, httpx.LocalProtocolError, StreamError)


@dataclass(frozen=True, slots=True)
class Backoff:
    """How a client waits between attempts: exponentially longer, with jitter.

    Attributes:
        attempts: How often a request is made before its error is raised. Does not apply
            to a stream that was open once: it tries until it is closed.
        first_seconds: The longest first wait; it doubles from attempt to attempt …
        max_seconds: … up to this. An answer whose ``Retry-After`` is beyond it is not waited for.
    """

    attempts: int = 6
    first_seconds: float = 0.5
    max_seconds: float = 20.0

    def widened(self, first_seconds: float) -> "Backoff":
        """Return a backoff whose first wait may be as long as a server asks."""
        return Backoff(
            self.attempts,
            max(self.first_seconds, first_seconds),
            max(self.max_seconds, first_seconds),
        )

    def retrying(
        self,
        on_retry: Callable[[BaseException], None] | None = None,
        *,
        forever: bool = False,
        patient: bool = False,
    ) -> dict[str, Any]:
        """Return the arguments for :class:`tenacity.Retrying` or its asyncio sister.

        With ``patient``, a busy server (503) is waited for whatever it asks.
        """

        def is_worth_waiting_for(error: BaseException) -> bool:
            return is_transient(error) and (
                _asked_seconds(error) <= self.max_seconds or (patient and is_busy(error))
            )

        def tell(state: RetryCallState) -> None:
            error = _error(state)
            if on_retry is not None and error is not None:
                on_retry(error)

        return {
            "retry": retry_if_exception(is_worth_waiting_for),
            "stop": stop_never if forever else stop_after_attempt(self.attempts),
            "wait": self._wait_seconds,
            "before_sleep": tell,
            "reraise": True,
        }

    def _wait_seconds(self, state: RetryCallState) -> float:
        wait = wait_random_exponential(self.first_seconds, self.max_seconds)
        longest_seconds = max(self.max_seconds, _MAX_ASKED_SECONDS)
        return max(wait(state), min(_asked_seconds(_error(state)), longest_seconds))


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed later: no connection, a time-out, a busy server."""
    if isinstance(error, ApiError):
        return error.status in _TRANSIENT_STATUS
    return isinstance(error, httpx.TransportError) and not isinstance(error, _HOPELESS)


def is_busy(error: BaseException) -> bool:
    """Whether Tocsin says that it can't take this now, which is no fault of the request."""
    return isinstance(error, ApiError) and error.status == httpx.codes.SERVICE_UNAVAILABLE


def is_failure(error: BaseException) -> bool:
    """Whether a server took the request and broke, which may be the fault of what is in it."""
    return isinstance(error, ApiError) and error.status in _BROKEN_STATUS


def raise_if_transient(response: httpx.Response) -> httpx.Response:
    """Return a final answer; raise one that a repetition may improve, as ApiError."""
    if response.status_code in _TRANSIENT_STATUS:
        raise ApiError(response)
    return response


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None


def _asked_seconds(error: BaseException | None) -> float:
    asked = error.retry_after_seconds if isinstance(error, ApiError) else None
    return asked or 0.0
