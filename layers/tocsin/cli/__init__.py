"""The command line: ``tocsin``."""

from tocsin.cli._app import main

__all__ = ["main"]
