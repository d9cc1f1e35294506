"""Times as people write them: what could mean several moments is not guessed."""

from datetime import datetime

__all__ = ["check_time"]


def check_time(text: str) -> None:
    """Make sure that a text names one moment, as far as Tocsin would take it for a time at all.

    Raises:
        ValueError: It is digits alone, or has no time zone.
    """
    if text.strip().isdigit():
        raise ValueError(f"{text} is no time: write it like 2026-03-19T10:00:00Z")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return  # Tocsin refuses it
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone: add Z for UTC, or an offset such as +02:00")
