"""Taking events in: validated, stamped, counted, stored once.

Others import these modules of it, and no other.
"""

__all__ = ["ingest", "stamp"]
