"""Notifying: what is sealed is sent to endpoints, each a cursor over its org's ledger.

Others import these modules of it, and no other.
"""

__all__ = [
    "changing",
    "delivering",
    "keeping",
    "reading",
    "report",
    "serving",
    "steering",
    "sweeping",
]
