"""What each format is told of a delivery, and what all of them put around a body."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import orjson

from tocsin import __version__
from tocsin.domain.deliveries import Outgoing
from tocsin.domain.endpoints import Endpoint

__all__ = ["AGENT", "Answers", "Sending", "json_body", "json_lines", "posted", "with_path"]

AGENT: Final = f"tocsin/{__version__}"
"""As what Tocsin introduces itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The signed links to both answers of an approval that waits, and until when they work."""

    approve_url: str = field(repr=False)
    deny_url: str = field(repr=False)
    expires_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One attempt at a delivery, the first being number 1.

    ``attempt_id`` is a UUID of this attempt alone. ``public_url`` is where people reach Tocsin;
    without it nothing links to it.
    """

    endpoint: Endpoint
    now_ms: int
    attempt: int
    attempt_id: str
    public_url: str | None = None
    links: Answers | None = None


def json_body(value: Any) -> bytes:
    """Return a JSON value, on one line."""
    return orjson.dumps(value)


def json_lines(values: Iterable[Any]) -> bytes:
    """Return JSON values, one a line."""
    return b"".join(json_body(each) + b"\n" for each in values)


def posted(
    url: str,
    body: bytes,
    *headers: tuple[str, str],
    content_type: str = "application/json",
) -> Outgoing:
    """Return a request that posts a body."""
    return Outgoing(url, (("content-type", content_type), ("user-agent", AGENT), *headers), body)


def with_path(url: str, path: str) -> str:
    """Return a URL with this path, where it has none of its own."""
    parts = urlsplit(url)
    return url if parts.path.strip("/") else urlunsplit(parts._replace(path=path))
