"""How deep JSON nests."""

from typing import Any

__all__ = ["deeper"]


def deeper(value: Any, levels: int) -> bool:
    """Whether a container nests deeper than ``levels``; looks no further down."""
    items = value.values() if isinstance(value, dict) else value
    for item in items:
        if isinstance(item, dict | list) and (levels == 1 or deeper(item, levels - 1)):
            return True
    return False
