"""The stream's engine: one log for each watched org, and a cursor for each subscriber.

Others import these modules of it, and no other.
"""

__all__ = ["parts", "subscriber", "watch"]
