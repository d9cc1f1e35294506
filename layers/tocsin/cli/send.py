"""``tocsin send``: events from arguments, files and pipes."""

import signal
import sys
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TextIO

import typer

from tocsin.cli._connection import ApiKeyOption, UrlOption, connection
from tocsin.cli._failure import REFUSED, USAGE, Failure, expected_failures
from tocsin.cli._format import Format
from tocsin.cli._json import dumps, loads
from tocsin.cli._text import leave_the_first_interrupt
from tocsin.cli._times import check_time

__all__ = ["send"]

_Text = Annotated[str | None, typer.Option(show_default=False, rich_help_panel="One event")]


def send(
    file: Annotated[
        str | None,
        typer.Argument(
            show_default=False,
            help="JSON (an event, an array, or an object with `events`), JSON lines, or CSV with a "
            "header; `-` is standard input.",
        ),
    ] = None,
    type: _Text = None,
    tool: _Text = None,
    action: _Text = None,
    session: _Text = None,
    agent: _Text = None,
    server: _Text = None,
    user: _Text = None,
    timestamp: _Text = None,
    metadata: Annotated[
        str | None,
        typer.Option(
            metavar="JSON", show_default=False, help="A JSON object.", rich_help_panel="One event"
        ),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="The file's format.")] = Format.AUTO,
    text: Annotated[
        bool,
        typer.Option(
            "--text",
            help="Each line of text is an event of type `log.line`; the options of one event are "
            "in all of them.",
        ),
    ] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="Leave invalid events out, and say which.")
    ] = False,
    backfill: Annotated[
        bool,
        typer.Option(
            "--backfill",
            help="These are imported: detection learns from them by their timestamps, and alerts "
            "nobody. Send the oldest first.",
        ),
    ] = False,
    idempotency_key: Annotated[
        str | None,
        typer.Option(
            show_default=False,
            help="Send the same file again with the same key, within 24 hours, and only what is "
            "missing is stored.",
        ),
    ] = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Send events: one from options, or many from a file or standard input.

    Examples:

        tocsin send --tool search_database --action allow --metadata '{"rows": 42}'

        tocsin send events.json

        tocsin send history.csv

        tail -F agent.jsonl | tocsin send -

        ./agent.sh | tocsin send --text --agent researcher

    In CSV, columns are named like the fields (`tool_name` or `toolName`); others go to `metadata`.
    Times in CSV and `--timestamp` need a time zone; JSON is sent as it is, where a time without
    one is UTC.
    A pipe is sent as it comes; with `--text`, what comes after an interrupt until its end, too.
    Everything that can be repeated is: nothing is stored twice.

    Exit codes: 0 all is stored; 1 refused, or something was left out by `--partial`; 2 wrong usage
    or settings; 4 Tocsin is out of reach; 130 interrupted, 143 ended by SIGTERM.
    """
    given = {
        "type": type,
        "tool_name": tool,
        "action": action,
        "session_id": session,
        "agent_id": agent,
        "server_id": server,
        "user_id": user,
        "timestamp": _time(timestamp),
        "metadata": _json_object(metadata),
    }
    event = {name: value for name, value in given.items() if value is not None}
    if text:
        event, lines = {}, {"type": "log.line"} | event
    else:
        lines = None
    if text and form is not Format.AUTO:
        raise Failure("--text is a format: leave out --format", USAGE)
    if event and file:
        raise Failure("give a file, or the options of one event, but not both", USAGE)
    if not event and not file and _standard_input().isatty():
        raise Failure("nothing to send: give --tool and others, a file, or `-`", USAGE)
    place = connection(url, api_key)

    from tocsin.cli._upload import Told, send_events, upload  # httpx, which --help does without
    from tocsin.client import Client

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # tells what is done
    with expected_failures(place.url), Client(place.url, place.api_key) as client:
        if event:
            told = Told()
            events = [dumps({"type": "tool_call"} | event)]
            list(
                send_events(
                    client, events, told, key=idempotency_key, partial=partial, backfill=backfill
                )
            )
        else:
            if lines is not None:
                leave_the_first_interrupt()
            name = "standard input" if file in (None, "-") else file
            told = upload(
                client,
                _opened(file),
                form,
                name,
                idempotency_key=idempotency_key,
                partial=partial,
                backfill=backfill,
                lines=lines,
            )
    left = "" if told.remaining_quota is None else f", {told.remaining_quota:,} left this month"
    rejected = f", {told.rejected:,} left out" if told.rejected else ""
    typer.echo(f"{told.ingested:,} ingested{rejected}{left}")
    if told.rejected:
        raise typer.Exit(REFUSED)


def _opened(file: str | None) -> BinaryIO:
    """Return what is to be read; it is left open, since another thread may wait for more of it.

    Standard input has a buffer of its own here: Python's is locked while that thread waits, and a
    process can't end with it locked.
    """
    if file in (None, "-"):
        return open(_standard_input().fileno(), "rb", closefd=False)
    try:
        return Path(file).open("rb")
    except OSError as error:
        raise Failure(f"can't read {file}: {error.strerror}", USAGE) from error


def _standard_input() -> TextIO:
    if sys.stdin is None:
        raise Failure("standard input is closed: give --tool and others, or a file", USAGE)
    return sys.stdin


def _time(text: str | None) -> str | None:
    try:
        if text is not None:
            check_time(text)
    except ValueError as error:
        raise Failure(f"--timestamp: {error}", USAGE) from error
    return text


def _json_object(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        value = loads(text)
    except ValueError as error:
        raise Failure(f"--metadata: not JSON ({error})", USAGE) from error
    if not isinstance(value, dict):
        raise Failure("--metadata: not a JSON object", USAGE)
    return value
