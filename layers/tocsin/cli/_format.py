"""The formats of files with events."""

from enum import StrEnum

__all__ = ["Format"]


class Format(StrEnum):
    """How events are written in a file."""

    AUTO = "auto"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
