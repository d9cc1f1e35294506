"""Orgs as those who run Tocsin keep them: created, limited, suspended, deleted, exported.

Other packages import only the modules that ``__all__`` names.
"""

__all__ = ["exporting", "keeping"]
