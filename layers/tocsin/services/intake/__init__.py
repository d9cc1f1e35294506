"""Taking events in: validated, stamped, counted, stored once.

Other packages import only the modules that ``__all__`` names.
"""

__all__ = [
    "allowance",
    "ingest",
    "masking",
    "protecting",
    "recording",
    "screening",
    "setting",
    "stamp",
    "told",
]
