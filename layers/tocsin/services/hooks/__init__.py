"""Hooks of coding agents: calls decided as all calls are, and everything else recorded.

Other packages import only the modules that ``__all__`` names.
"""

__all__ = ["answering", "patience"]
