"""Lambda's Invoke API, from the caller's side."""

from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from tocsin.local.functions import PROCESSES, hosted

__all__ = ["Answer", "Functions", "answer_of", "invocation_path"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What Invoke returned. ``function_error`` is None when the function returned normally."""

    status: int
    payload: bytes
    request_id: str
    function_error: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the function returned normally."""
        return self.status == 200 and self.function_error is None


# Longer than an invocation and those before it in its process: it is the host that ends them.
_INVOCATION_SECONDS = 30 + max(
    sum(function.timeout_seconds for function in hosted(process)) for process in PROCESSES
)


def invocation_path(function: str) -> str:
    """Return the path of Invoke for a function."""
    return f"/2015-03-31/functions/{function}/invocations"


def answer_of(response: httpx.Response) -> Answer:
    """Read a whole HTTP response as Invoke's answer."""
    return Answer(
        response.status_code,
        response.content,
        response.headers.get("X-Amzn-RequestId", ""),
        response.headers.get("X-Amz-Function-Error"),
    )


class Functions:
    """The functions, for callers without an event loop; may be shared by threads."""

    def __init__(
        self,
        hosts: Mapping[str, str],
        mounts: Mapping[str, httpx.HTTPTransport] | None = None,
    ) -> None:
        """``hosts`` maps each function's name to its host's address.

        ``mounts`` are httpx's, for the addresses that lead to unix sockets.
        """
        self._urls = {name: host + invocation_path(name) for name, host in hosts.items()}
        timeout = httpx.Timeout(_INVOCATION_SECONDS, connect=2)
        self._client = httpx.Client(trust_env=False, timeout=timeout, mounts=mounts)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def invoke(self, name: str, payload: bytes) -> Answer | None:
        """Call Invoke; None if the function's host is not there, so that nothing was invoked."""
        try:
            return answer_of(self._client.post(self._urls[name], content=payload))
        except (httpx.ConnectError, httpx.ConnectTimeout):
            return None
        except httpx.TransportError as error:  # the environment died meanwhile
            return Answer(200, b"", "", f"Unhandled ({error})")
