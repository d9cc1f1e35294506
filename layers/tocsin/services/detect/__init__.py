"""Detection: what is unusual is told, as the org wants it.

Others import these modules of it, and no other.
"""

__all__ = ["detecting", "rehearsing", "reviewing"]
