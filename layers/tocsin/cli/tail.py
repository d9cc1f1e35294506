"""``tocsin tail``: watch events as they are sealed."""

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from tocsin.cli._connection import ApiKeyOption, UrlOption, connection
from tocsin.cli._failure import complain, expected_failures

if TYPE_CHECKING:
    from tocsin.client import Client, Event

__all__ = ["tail"]

_Filter = Annotated[
    list[str] | None,
    typer.Option(show_default=False, rich_help_panel="Show only", help="May be given repeatedly."),
]


def tail(
    type: _Filter = None,
    session: _Filter = None,
    agent: _Filter = None,
    tool: _Filter = None,
    after: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="SEQ",
            show_default=False,
            help="Begin after this event; 0 is from the start. Else with the next event.",
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print each event as a JSON object on one line.")
    ] = False,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Watch events as they are sealed, one line each, until interrupted.

    When the connection drops it is made again, and goes on after the last event: nothing is
    missed and nothing comes twice. Times are UTC.

    Examples:

        tocsin tail

        tocsin tail --after 0 --type tool_call --tool git_status

        tocsin tail --json | jq .tool_name

    Exit codes: 130 interrupted; 0 what reads the output is gone; 1 refused; 2 wrong usage or
    settings; 4 Tocsin is out of reach from the start.
    """
    place = connection(url, api_key)

    from tocsin.client import Client

    wanted = {"type": type, "session_id": session, "agent_id": agent, "tool_name": tool}
    show = _printer(json)

    def show_wanted(event: "Event") -> None:
        if all(not some or event.fields.get(field) in some for field, some in wanted.items()):
            show(event)

    try:
        with expected_failures(place.url), Client(place.url, place.api_key) as client:
            _watch(client, after, show_wanted)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python complains when it flushes


def _watch(client: "Client", after: int | None, show: Callable[["Event"], None]) -> None:
    from tocsin.client import Gap

    connected = True

    def dropped(error: BaseException) -> None:
        nonlocal connected
        if connected:
            complain(f"not connected ({error or type(error).__name__}): trying again")
        connected = False

    while True:
        try:
            for event in client.stream(after, on_drop=dropped):
                if not connected:
                    complain(f"connected again at event {event.seq}")
                connected = True
                show(event)
        except Gap as gap:
            complain(f"{gap}: going on with {gap.first_seq}")
            after = gap.first_seq - 1


def _printer(as_json: bool) -> Callable[["Event"], None]:
    if as_json:
        import orjson

        def print_json(event: "Event") -> None:
            sys.stdout.buffer.write(orjson.dumps(event.fields, option=orjson.OPT_APPEND_NEWLINE))
            sys.stdout.buffer.flush()

        return print_json

    from rich.console import Console

    from tocsin.cli._lines import line

    class PlainConsole(Console):
        def on_broken_pipe(self) -> None:
            raise  # what rich is handling; by itself it would exit with 1

    console = PlainConsole(highlight=False, markup=False, emoji=False)

    def print_line(event: "Event") -> None:
        console.print(line(event), soft_wrap=True)

    return print_line
