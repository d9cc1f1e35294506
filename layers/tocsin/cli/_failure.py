"""How a command fails: one line on standard error that says what to do, and an exit code."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tocsin.cli._output import complain, escaped

if TYPE_CHECKING:
    from tocsin.client import ApiError

__all__ = [
    "NOT_IN_TIME",
    "REFUSED",
    "UNREACHABLE",
    "USAGE",
    "Failure",
    "complain",
    "expected_failures",
]

REFUSED = 1
USAGE = 2
NOT_IN_TIME = 3
UNREACHABLE = 4


class Failure(Exception):
    """An expected failure; its message is for the user."""

    def __init__(self, message: str, exit_code: int = REFUSED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@contextmanager
def expected_failures(url: str) -> Iterator[None]:
    """Turn what a client raises into a :class:`Failure`."""
    import httpx

    from tocsin.cli._network import proxy_variable
    from tocsin.client import ApiError, BadEnvironment, StreamError

    try:
        yield
    except ApiError as error:
        raise Failure(f"{escaped(error.error)}{_details(error)}{_advice(error)}") from error
    except BadEnvironment as error:
        raise Failure(escaped(str(error)), USAGE) from error
    except StreamError as error:
        raise Failure(escaped(str(error))) from error
    except httpx.TransportError as error:
        reason = escaped(str(error) or type(error).__name__)
        if proxy := proxy_variable(url):
            raise Failure(
                f"{url} is out of reach through the proxy in {proxy} ({reason}): is that right, "
                "or does NO_PROXY lack this host?",
                UNREACHABLE,
            ) from error
        raise Failure(
            f"{url} is out of reach ({reason}): is `make up` running, and is the URL right?",
            UNREACHABLE,
        ) from error


def _details(error: "ApiError") -> str:
    lines = [
        f"\n  {escaped(item['field'])}: {escaped(item['message'])}" for item in error.details[:20]
    ]
    more = len(error.details) - len(lines)
    return "".join(lines) + (f"\n  … and {more} more" if more else "")


def _advice(error: "ApiError") -> str:
    if error.status == 401:
        return "\nGive a valid key with --api-key or TOCSIN_API_KEY."
    if error.code == "ORG_SUSPENDED":
        return "\n`tocsin orgs resume` ends that."
    if error.status == 403 and not error.details:
        return "\nUse a key with the scope for this: see `tocsin keys list`."
    return ""
