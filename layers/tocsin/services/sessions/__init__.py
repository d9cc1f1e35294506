"""Agents' sessions: begun by events, suspended, resumed and completed by people; each is told.

Other packages import only the modules that ``__all__`` names.
"""

__all__ = ["beginning", "deciding", "suspended"]
