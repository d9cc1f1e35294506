"""``tocsin export``: write what a stranger needs to check a log without Tocsin."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tocsin.cli._connection import ApiKeyOption, UrlOption, connection
from tocsin.cli._failure import REFUSED, USAGE, Failure, expected_failures
from tocsin.cli._output import complain, escaped, say

if TYPE_CHECKING:
    from tocsin.cli._exporting import Done

__all__ = ["export"]


def export(
    folder: Annotated[Path, typer.Argument(help="Where to, made if it is not there.")],
    first: Annotated[
        int | None,
        typer.Option(
            "--from",
            min=1,
            metavar="SEQ",
            show_default="the first, or where the folder ends",
            help="Begin with this event.",
        ),
    ] = None,
    last: Annotated[
        int | None,
        typer.Option(
            "--to",
            min=1,
            metavar="SEQ",
            show_default="the last checkpoint",
            help="End with the first checkpoint that covers this event.",
        ),
    ] = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Write the events as they were hashed, the checkpoint that covers them, and the log's keys.

    `tocsin verify FOLDER --trust KEY` checks them anywhere, without Tocsin. Run it again to go on
    where it ended: what is there is checked before. The key that you trust must come from
    elsewhere than from the export.

    Exit codes: 0 done; 1 what is served, or was written before, does not follow, or Tocsin
    refused; 2 wrong usage or settings; 4 Tocsin is out of reach.
    """
    if last is not None and first is not None and last < first:
        raise Failure("--to is before --from", USAGE)
    place = connection(url, api_key)

    from tocsin.cli._exported import Writing
    from tocsin.cli._exporting import Exporting
    from tocsin.client import Client
    from tocsin.client._log import LogReader

    def tell(seq: int) -> None:
        complain(f"{seq:,} written")

    with expected_failures(place.url), Client(place.url, place.api_key) as client:
        try:
            with Writing(folder) as writing:
                done = Exporting(LogReader(client), writing, tell)(first, last)
        except OSError as error:
            raise Failure(f"can't write to {folder}: {error.strerror}") from error
    _say(done, folder)


def _say(done: "Done", folder: Path) -> None:
    if done.fault is not None:
        complain(f"what is in {folder} does not hold: {done.fault}")
        raise typer.Exit(REFUSED)
    count = done.last_seq - done.first_seq + 1
    say(
        escaped(
            f"{count:,} events, from seq {done.first_seq} to {done.last_seq}, are in {folder},"
            f" {done.new:,} of them new: check them with `tocsin verify {folder} --trust KEY`"
        )
    )
