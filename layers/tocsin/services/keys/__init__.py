"""API keys as people with the scope admin keep them, each change told by its event.

Other packages import only the modules that ``__all__`` names.
"""

__all__ = ["issuing"]
