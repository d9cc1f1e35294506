"""Agents' sessions: suspended, resumed and completed by people, each told by an event.

Other packages import only the modules that ``__all__`` names.
"""

__all__ = ["deciding", "suspended"]
