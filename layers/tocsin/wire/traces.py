"""Traces of W3C Trace Context: https://www.w3.org/TR/trace-context/#traceparent-header."""

import re
from typing import Any, Final

__all__ = ["trace_of"]

_TRACEPARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-.*)?",
    re.ASCII,
)


def trace_of(traceparent: Any) -> tuple[str | None, str | None]:
    """Return the trace's and the span's id of a ``traceparent``, or two times None."""
    found = _TRACEPARENT.fullmatch(traceparent) if isinstance(traceparent, str) else None
    if found is None or (traceparent.startswith("00") and found[3]):
        return None, None
    return found[1], found[2]
