"""Giving batches their order, and what follows from it: fan-out, sweep, projections.

Others import these modules of it, and no other.
"""

__all__ = ["fanout", "project", "seal", "sweep"]
