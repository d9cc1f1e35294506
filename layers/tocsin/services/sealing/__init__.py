"""Giving batches their order, and what follows from it: fan-out, sweep, projections.

Other packages import only the modules that ``__all__`` names.
"""

__all__ = ["fanout", "project", "rebuild", "seal", "summaries", "sweep", "waking"]
