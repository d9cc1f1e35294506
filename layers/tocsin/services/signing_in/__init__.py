"""Signing in and out, and failing to; each is told by an event.

Other packages import only the modules that ``__all__`` names.
"""

__all__ = ["everywhere", "failing", "signing"]
