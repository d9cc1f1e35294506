"""Budgets: kept by people, told of when they are used up, and held against further calls.

Other packages import only the modules that ``__all__`` names.
"""

__all__ = ["changing", "holding", "keeping", "spending"]
