"""``tocsin up``: the whole product on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from tocsin.cli._failure import USAGE, Failure

__all__ = ["up"]


def up(
    port: Annotated[
        int,
        typer.Option(
            envvar="TOCSIN_PORT", min=0, max=65535, help="The one port, on 127.0.0.1 (0: any)."
        ),
    ] = 8484,
    home: Annotated[
        Path,
        typer.Option(
            envvar="TOCSIN_HOME",
            file_okay=False,
            help="Where the state is kept. Copies with different homes and ports don't meet.",
        ),
    ] = Path(".tocsin"),
) -> None:
    """Run the whole of Tocsin on this machine, until Ctrl-C.

    Starts DynamoDB, Valkey, the functions, the stream service and a gateway in front of them,
    starts again what dies, stops all of it together, and keeps the state for the next time.
    """
    try:
        from tocsin.local.lock import HomeTaken
        from tocsin.local.run import CannotStart, run
    except ModuleNotFoundError as error:
        raise Failure(
            "`tocsin up` needs the repository, whose functions it runs: clone it, and run "
            f"`make up` in it ({error.name} is missing)",
            USAGE,
        ) from error
    try:
        home = home.absolute()
    except OSError as error:
        raise Failure("the working directory is gone: change to another one", USAGE) from error
    try:
        status = run(port, home)
    except HomeTaken as taken:
        raise Failure(
            f"{home} is in use by another `tocsin up` (process {taken.pid}): stop that one, or "
            "give this one a home and a port of its own with TOCSIN_HOME and TOCSIN_PORT",
            USAGE,
        ) from taken
    except CannotStart as error:
        raise Failure(str(error), USAGE) from error
    raise typer.Exit(status)
