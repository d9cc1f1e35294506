"""The formats of files with events, and of reports."""

from enum import StrEnum

__all__ = ["Format", "Listed", "Period"]


class Format(StrEnum):
    """How events are written in a file."""

    AUTO = "auto"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


class Listed(StrEnum):
    """How a report is written."""

    JSON = "json"
    CSV = "csv"


class Period(StrEnum):
    """What a row of a report is of."""

    DAY = "day"
    MONTH = "month"
    TOTAL = "total"
