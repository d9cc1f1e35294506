"""Which headers go on, and what those of ours say.

``Expect``, which the proxy answers itself, and ``x-tocsin-*`` end here, too.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tocsin.cli._passing import Raw, end_to_end
from tocsin.cli.mcp.values import label

__all__ = ["Caller", "passed_on", "passed_up"]

_OURS: Final = "x-tocsin-"
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}.*")


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
    return _kept(raw, "host", "expect", "content-length")


def passed_on(raw: Raw) -> list[tuple[str, str]]:
    """Return an answer's headers as the client gets them."""
    return _kept(raw)


def _kept(raw: Raw, *but: str) -> list[tuple[str, str]]:
    return [
        (name, value) for name, value in end_to_end(raw, but) if not name.lower().startswith(_OURS)
    ]
