"""What detection finds, how soon, and how often it cries wolf, beside simpler ways."""

from bench.detection.report import main

__all__ = ["main"]
