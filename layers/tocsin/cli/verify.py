"""``tocsin verify``: have a deployed ledger checked."""

from typing import Annotated

import typer

from tocsin.cli._connection import ApiKeyOption, UrlOption, connection
from tocsin.cli._failure import REFUSED, USAGE, Failure, expected_failures
from tocsin.cli._output import complain, escaped, say

__all__ = ["verify"]


def verify(
    first: Annotated[
        int, typer.Option("--from", min=1, metavar="SEQ", help="Begin with this event.")
    ] = 1,
    last: Annotated[
        int | None,
        typer.Option(
            "--to",
            min=1,
            metavar="SEQ",
            show_default=False,
            help="End with this event. Else with the newest.",
        ),
    ] = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Check that what is stored is what was sealed: every event, and the chain that links them.

    Events older than the retention are checked by their hashes alone. The summaries by which lists
    are searched must not lead past any event.

    Examples:

        tocsin verify

        tocsin verify --from 100000

    Exit codes: 0 all of it holds; 1 it does not, or Tocsin refused; 2 wrong usage or settings;
    4 Tocsin is out of reach.
    """
    if last is not None and last < first:
        raise Failure("--to is before --from", USAGE)
    place = connection(url, api_key)

    from tocsin.client import Client, Verified

    def tell(so_far: Verified) -> None:
        if so_far.ok:
            complain(f"{so_far.last_seq:,} checked")

    with expected_failures(place.url), Client(place.url, place.api_key) as client:
        found = client.verify(first, last, on_step=tell)
    if not found.ok:
        say(f"seq {found.first_bad_seq} is not what was sealed: {escaped(found.reason or '')}")
        raise typer.Exit(REFUSED)
    count = found.last_seq - found.first_seq + 1
    say(f"{count:,} events hold, up to seq {found.last_seq}" if count else "there are no events")
