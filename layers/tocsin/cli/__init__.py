"""The command line: ``tocsin``."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line. A hook is run by itself: it starts before every call of a tool."""
    if sys.argv[1:2] == ["hook"]:
        from tocsin.cli.hooks.shim import asked_for, run

        options = asked_for(sys.argv[2:])
        if options is not None:
            sys.exit(run(options))
    from tocsin.cli._app import main as whole

    whole()
