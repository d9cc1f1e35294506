"""Approvals: asking a person, deciding, and expiring. Every change is told by an event.

Other packages import only the modules that ``__all__`` names.
"""

__all__ = ["asking", "deciding", "expiring", "linking", "reading", "steps", "waiting", "waking"]
