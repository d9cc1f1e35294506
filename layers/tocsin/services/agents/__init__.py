"""Agents as admins keep them: created, described and retired, each change told by an event.

Other packages import only the modules that ``__all__`` names.
"""

__all__ = ["known", "listing", "registering"]
