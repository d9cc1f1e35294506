"""``Retry-After``: seconds, or a date (RFC 9110, section 10.2.3)."""

import re
from collections.abc import Iterable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

__all__ = ["retry_after_ms"]

_SECONDS: Final = re.compile(rb"[0-9]{1,9}")
_DATE: Final = re.compile(rb"[A-Za-z0-9 ,:+-]{1,40}")


def retry_after_ms(headers: Iterable[tuple[bytes, bytes]], now_ms: int) -> int:
    """Return for how long an answer asks to be left alone; 0: it does not, or in no proper way."""
    value = next((value for name, value in headers if name.lower() == b"retry-after"), b"")
    if _SECONDS.fullmatch(value):
        return int(value) * 1_000
    if not _DATE.fullmatch(value):
        return 0
    try:
        until = parsedate_to_datetime(value.decode("ascii"))
        # Without a zone it is GMT, which is the only one that a date of HTTP has.
        until_ms = round(until.replace(tzinfo=until.tzinfo or UTC).timestamp() * 1_000)
    except (ValueError, OverflowError):
        return 0
    return max(until_ms - now_ms, 0)
