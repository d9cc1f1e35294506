"""Which headers go on, and what those of ours say.

Hop-by-hop headers end here (RFC 9110, section 7.6.1), as do ``Expect``, which the proxy answers
itself, and ``x-tocsin-*``.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from tocsin.cli.mcp.values import label

__all__ = ["Caller", "passed_on", "passed_up"]

_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_OURS: Final = "x-tocsin-"
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}.*")

type Raw = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as far as headers and options say."""

    agent: str | None
    session: str
    user: str | None = None
    tag: str | None = None
    trace: str | None = None
    parent: str | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str], agent: str | None, session: str) -> "Caller":
        """Read ``x-tocsin-*`` and W3C's ``traceparent``; ``agent`` and ``session`` are the rest."""
        found = _TRACEPARENT.fullmatch(headers.get("traceparent", ""))
        return cls(
            label(headers.get("x-tocsin-agent")) or agent,
            label(headers.get("x-tocsin-session")) or session,
            label(headers.get("x-tocsin-user")),
            label(headers.get("x-tocsin-compliance-tag")),
            *(found.groups() if found else ()),
        )


def passed_up(raw: Raw) -> list[tuple[str, str]]:
    """Return a request's headers as the vendor gets them, but for the length of its body."""
    return _kept(raw, ("host", "expect", "content-length"))


def passed_on(raw: Raw) -> list[tuple[str, str]]:
    """Return an answer's headers as the client gets them."""
    return _kept(raw, ())


def _kept(raw: Raw, but: tuple[str, ...]) -> list[tuple[str, str]]:
    pairs = [
        (name.decode("latin-1"), value.decode("utf-8", "surrogateescape")) for name, value in raw
    ]
    left_out = {*_HOP, *but}
    for name, value in pairs:
        if name.lower() == "connection":
            left_out.update(each.strip().lower() for each in value.split(","))
    return [
        (name, value)
        for name, value in pairs
        if (lower := name.lower()) not in left_out and not lower.startswith(_OURS)
    ]
