"""Points in time: as milliseconds since 1970, as moments in UTC, and as ISO 8601 text."""

from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["iso", "iso_ms", "moment_of", "ms_of", "time_ms", "utc"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def utc(at_ms: int) -> datetime:
    """Return the moment of a Unix time in milliseconds."""
    return _EPOCH + at_ms * _MILLISECOND


def iso(moment: datetime) -> str:
    """Return the canonical text of a moment: UTC, milliseconds (the rest is cut off), ``Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_ms(at_ms: int) -> str:
    """Return the canonical text of a Unix time in milliseconds."""
    return iso(utc(at_ms))


def moment_of(text: str) -> datetime:
    """Return the moment that an ISO 8601 text names; without an offset it is UTC.

    Raises:
        ValueError: the text names none. Digits alone, other than the eight of a date, name none:
            Python would find the year 1712 in the milliseconds ``1712051231230``.
    """
    if text.isdigit() and len(text) != 8:
        raise ValueError("digits alone")
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def ms_of(moment: datetime) -> int:
    """Return the Unix time of a moment with a time zone, rounded up to milliseconds."""
    return -((_EPOCH - moment) // _MILLISECOND)


def time_ms(text: str) -> int | None:
    """Return the Unix time of an ISO 8601 text, rounded up to milliseconds; None: it is none.

    Without an offset it is UTC.
    """
    try:
        return ms_of(moment_of(text))
    except (ValueError, OverflowError):
        return None
