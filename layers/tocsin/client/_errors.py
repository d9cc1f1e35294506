"""What can go wrong between a client and Tocsin.

::

    httpx.HTTPError
    ├── httpx.HTTPStatusError
    │   └── ApiError       Tocsin answered, and not with success
    └── httpx.TransportError
        ├── StreamError    the stream is not one, or ends for a reason that no retry mends
        │   └── Gap        events that the cursor asked for are not kept any more
        └── …              httpx's own: no connection, a timeout, a broken answer

    TocsinError
    ├── Rejected           of emitted events, for ``on_loss``: never raised
    │   └── GivenUp        an event with which Tocsin broke each time
    └── BadEnvironment     a variable of the environment that can't be used; a ValueError too
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import orjson

from tocsin.client._result import Rejection
from tocsin.domain.errors import Detail, TocsinError

__all__ = [
    "ApiError",
    "BadEnvironment",
    "Gap",
    "GivenUp",
    "Rejected",
    "StreamError",
    "not_tocsins",
]


class ApiError(httpx.HTTPStatusError, TocsinError):
    """Tocsin refused a request.

    Attributes:
        status: The HTTP status.
        error: What Tocsin says is wrong, in words.
        code: The same for programs, such as ``QUOTA_EXHAUSTED`` (:mod:`tocsin.domain.errors` lists
            them); None where the answer has none, like that to an invalid event.
        details: One entry for each field that is wrong.
        retry_after_seconds: When to try again, if the answer said so.
    """

    def __init__(self, response: httpx.Response) -> None:
        """Take the reason from a ``response`` whose body has been read."""
        self.status = response.status_code
        self.error, self.code, self.details = _reason(response)
        self.retry_after_seconds = _retry_after_seconds(response.headers.get("retry-after"))
        told = "; ".join(f"{item['field']}: {item['message']}" for item in self.details[:5])
        super().__init__(
            f"{self.status} from {response.url.copy_with(query=None)}: {self.error}"
            + (f" ({told})" if told else ""),
            request=response.request,
            response=response,
        )


class StreamError(httpx.TransportError, TocsinError):
    """The stream cannot go on."""


class Gap(StreamError):
    """Events after ``after`` and before ``first_seq`` are not kept any more.

    To go on with what there is, stream again with ``after=first_seq - 1``.
    """

    def __init__(self, after: int, first_seq: int) -> None:
        super().__init__(
            f"events after {after} and before {first_seq} are older than the retention and gone"
        )
        self.after = after
        self.first_seq = first_seq


class Rejected(TocsinError):
    """Tocsin took the other events of a request but not these.

    Attributes:
        rejections: Why; ``index`` counts from the first event of the request.
        events: The events, as they were sent, in the same order.
    """

    def __init__(
        self, rejections: Sequence[Rejection], events: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        super().__init__(f"{len(rejections)} events are invalid")
        self.rejections = rejections
        self.events = events


class GivenUp(Rejected):
    """Tocsin broke each time it was sent this event (``__cause__``), and took others meanwhile."""


class BadEnvironment(TocsinError, ValueError):
    """A variable of the environment says something that can't be used; the message names it."""


def _reason(response: httpx.Response) -> tuple[str, str | None, Sequence[Detail]]:
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        body = None
    if response.is_redirect and "location" in response.headers:
        place = response.headers["location"]
        return f"it has moved to {place}: give that URL, the key is not sent elsewhere", None, ()
    if not isinstance(body, dict):
        return response.reason_phrase or "no reason given", None, ()
    found = body.get("details")
    details = [
        Detail(field=str(item.get("field", "")), message=str(item.get("message", "")))
        for item in (found if isinstance(found, list) else ())
        if isinstance(item, dict)
    ]
    code = body.get("code")
    return (
        str(body.get("error") or body.get("message") or response.reason_phrase),
        code if isinstance(code, str) else None,
        details,
    )


def _retry_after_seconds(value: str | None) -> float | None:
    """Read ``Retry-After``: seconds or an HTTP date (RFC 9110, section 10.2.3)."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def not_tocsins(response: httpx.Response, what: str) -> httpx.RemoteProtocolError:
    """Return the error for an answer that is good and holds no ``what``: it can't be Tocsin's."""
    return httpx.RemoteProtocolError(
        f"{response.url.copy_with(query=None)} answered, but with no {what}: is it Tocsin's URL?",
        request=response.request,
    )
