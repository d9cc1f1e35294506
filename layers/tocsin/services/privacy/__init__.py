"""What an org wants done with what its events say: shown and set.

Who takes events in keeps to it: :mod:`tocsin.services.intake.screening`. Other packages import
only the modules that ``__all__`` names.
"""

__all__ = ["keeping"]
