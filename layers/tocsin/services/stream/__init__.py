"""The stream's engine: one log for each watched org, and a cursor for each subscriber.

Other packages import only the modules that ``__all__`` names.
"""

__all__ = ["parts", "subscriber", "watch"]
