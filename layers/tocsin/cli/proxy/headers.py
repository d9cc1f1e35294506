"""Which headers go on, and what those of ours say.

``Expect``, which the proxy answers itself, and ``x-tocsin-*`` end here, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tocsin.cli._passing import Raw, end_to_end
from tocsin.cli.mcp.values import label
from tocsin.wire.traces import trace_of

__all__ = ["Caller", "passed_on", "passed_up"]

_OURS: Final = "x-tocsin-"


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
        return cls(
            label(headers.get("x-tocsin-agent")) or agent,
            label(headers.get("x-tocsin-session")) or session,
            label(headers.get("x-tocsin-user")),
            label(headers.get("x-tocsin-compliance-tag")),
            *trace_of(headers.get("traceparent")),
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
