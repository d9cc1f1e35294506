"""API keys as admins keep them and as keys delegate them, each change told by its event.

Other packages import only the modules that ``__all__`` names.
"""

__all__ = ["delegating", "ending", "issuing", "writing"]
