"""What an error looks like over HTTP: one table for every function and the stream.

The body is ``{"error": message, "code": code}``, with ``details`` if there are any. Two bodies have
no code, as in the product's document: Igris' 400 for an invalid event, and Govrix Scout's 404.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from tocsin.domain.errors import (
    Busy,
    Changed,
    Conflict,
    Forbidden,
    IntegrityError,
    Invalid,
    Malformed,
    NotFound,
    Over,
    Refused,
    TocsinError,
    TooFar,
    TooLarge,
    TooMany,
    Unauthenticated,
    UnsupportedMedia,
)

__all__ = ["STATUS", "Problem", "problem"]

STATUS: Mapping[type[TocsinError], int] = {
    Malformed: 400,
    Invalid: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    Changed: 409,
    Over: 410,
    TooLarge: 413,
    TooFar: 422,
    UnsupportedMedia: 415,
    TooMany: 429,
    Busy: 503,
    Refused: 400,
    IntegrityError: 500,
    TocsinError: 500,
}

_AS_DOCUMENTED = (Invalid, NotFound)


@dataclass(frozen=True, slots=True)
class Problem:
    """An HTTP answer that says what is wrong, and what to do about it."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        """The body as JSON. A message may quote what is not Unicode text: that is escaped."""
        try:
            return orjson.dumps(self.body)
        except orjson.JSONEncodeError:
            return orjson.dumps(_as_text(self.body))


def _as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _as_text(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


def problem(error: TocsinError) -> Problem:
    """Return the answer for an error; a class that is not in the table is answered as its base."""
    status = next(STATUS[base] for base in type(error).__mro__ if base in STATUS)
    body: dict[str, Any] = {"error": str(error)}
    headers = {"Content-Type": "application/json"}
    if not isinstance(error, _AS_DOCUMENTED):
        body["code"] = getattr(error, "code", "INTERNAL")
    if isinstance(error, IntegrityError) and error.seq:
        body["seq"] = error.seq
    if isinstance(error, Refused):
        if error.details:
            body["details"] = list(error.details)
        body |= error.more
        if error.retry_after_seconds is not None:
            headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="tocsin"'
    return Problem(status, body, headers)
