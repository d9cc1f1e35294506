"""A call's cost from its model and its tokens, where the sender gave none."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tocsin.domain.canonical import is_plain_float
from tocsin.domain.times import time_ms

__all__ = ["ESTIMATED", "estimate"]

ESTIMATED: Final = "cost_estimated"
"""The field that is true where Tocsin computed ``cost_usd``; no sender can set it."""

_TYPES: Final = frozenset({"completion", "embedding"})
_DIGITS: Final = 12  # of a dollar: less than a millionth of a token's price


def estimate(events: Sequence[dict[str, Any]], now_ms: int) -> bool:
    """Price in place the events that say what was used and not what it cost.

    The price is of the event's own time; of ``now_ms`` if it has none, or one yet to come. A
    request that waits for its response is not priced: the response is.

    Returns:
        Whether all costs are plain, as :func:`tocsin.domain.canonical.canonical` asks it.
    """
    plain = True
    for event in events:
        if event["type"] in _TYPES and "cost_usd" not in event and "model" in event:
            cost = _cost(event, now_ms)
            if cost is not None:
                event["cost_usd"] = cost
                event[ESTIMATED] = True
                plain = plain and (isinstance(cost, int) or is_plain_float(cost))
    return plain


def _cost(event: Mapping[str, Any], now_ms: int) -> float | int | None:
    sent, answered = event.get("prompt_tokens", 0), event.get("completion_tokens", 0)
    if not sent + answered or event.get("direction") == "request":
        return None
    from tocsin.wire.pricing.prices import Tokens, cost_usd  # most requests need no price list

    metadata = event.get("metadata", {})
    read = _count(metadata, "cache_read_input_tokens", sent)
    written = _count(metadata, "cache_creation_input_tokens", sent - read)
    said_ms = time_ms(event["timestamp"]) if "timestamp" in event else None
    at_ms = now_ms if said_ms is None else min(now_ms, said_ms)
    tokens = Tokens(sent, read, written, answered)
    found = cost_usd(event.get("provider"), event["model"], tokens, at_ms)
    if found is None:
        return None
    found = round(found, _DIGITS)
    return int(found) if found.is_integer() else found


def _count(metadata: Mapping[str, Any], name: str, most: int) -> int:
    """Return a number of tokens that are part of others: never more than those."""
    value = metadata.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return 0
    return min(value, most)
