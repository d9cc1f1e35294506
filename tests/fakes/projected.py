"""Sealed events to project, and what is made of them."""

import json
from collections.abc import Mapping

from tocsin.domain.projection import HOURLY, hourly
from tocsin.domain.segment import SealedEvent

AT = "2026-11-27T10:44:30.000Z"


def sealed(seq: int, **fields: object) -> SealedEvent:
    """Return an event as ingestion stamps it, without a proof."""
    event = {"timestamp": AT, "received_at": AT, "session_id": "s1", "source": "client"} | fields
    return SealedEvent(seq, json.dumps(event).encode(), bytes(32), bytes(32))


def figures_of(day: Mapping[str, int]) -> dict[str, int]:
    """Return what a day's item has in all its hours, without what is 0."""
    sums = {counter: sum(hourly(day, counter)) for counter in HOURLY}
    return {counter: value for counter, value in sums.items() if value}
