"""Policies: what an org's agents may call, decided and recorded.

Other packages import only the modules that ``__all__`` names.
"""

__all__ = ["calling", "engine", "keeping"]
