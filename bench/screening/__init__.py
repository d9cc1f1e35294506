"""What screening costs and finds: ``python -m bench screening``."""

from bench.screening.report import main

__all__ = ["main"]
