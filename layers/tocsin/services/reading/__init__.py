"""Reading what is sealed, every event checked: forwards (replay), backwards (past), as lists.

Others import these modules of it, and no other.
"""

__all__ = [
    "answers",
    "audit",
    "checked",
    "costs",
    "cursor",
    "entries",
    "indexes",
    "listing",
    "opening",
    "past",
    "replay",
    "sealed",
    "selection",
    "served",
    "since",
    "summarise",
    "threads",
    "verification",
    "whole",
]
