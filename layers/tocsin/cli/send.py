"""``tocsin send``: events from arguments, files and pipes."""

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import orjson
import typer

from tocsin.cli._connection import ApiKeyOption, UrlOption, connection
from tocsin.cli._failure import REFUSED, USAGE, Failure, complain, expected_failures
from tocsin.cli._sources import Format

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
    partial: Annotated[
        bool, typer.Option("--partial", help="Leave invalid events out, and say which.")
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

    In CSV, columns are named like the fields (`tool_name` or `toolName`); others go to `metadata`.
    A pipe is sent as it comes. Everything that can be repeated is: nothing is stored twice.

    Exit codes: 0 all is stored; 1 refused, or something was left out by `--partial`; 2 wrong usage
    or settings; 4 Tocsin is out of reach; 130 interrupted.
    """
    given = {
        "type": type,
        "tool_name": tool,
        "action": action,
        "session_id": session,
        "agent_id": agent,
        "server_id": server,
        "user_id": user,
        "timestamp": timestamp,
        "metadata": _json_object(metadata),
    }
    event = {name: value for name, value in given.items() if value is not None}
    if event and file:
        raise Failure("give a file, or the options of one event, but not both", USAGE)
    if not event and not file and sys.stdin.isatty():
        raise Failure("nothing to send: give --tool and others, a file, or `-`", USAGE)
    place = connection(url, api_key)

    from tocsin.cli._upload import upload  # imports httpx, which --help does without
    from tocsin.client import Client

    with expected_failures(place.url), Client(place.url, place.api_key) as client:
        if event:
            told = client.send(
                [{"type": "tool_call"} | event], idempotency_key=idempotency_key, partial=partial
            )
        else:
            name = "standard input" if file in (None, "-") else file
            with _opened(file) as source:
                told = upload(
                    client, source, form, name, idempotency_key=idempotency_key, partial=partial
                )
    for rejection in told.rejections[:20]:
        reasons = "; ".join(f"{item['field']}: {item['message']}" for item in rejection.details)
        complain(f"event {rejection.index + 1}: {reasons}")
    left = "" if told.remaining_quota is None else f", {told.remaining_quota:,} left this month"
    rejected = f", {told.rejected:,} left out" if told.rejected else ""
    typer.echo(f"{told.ingested:,} ingested{rejected}{left}")
    if told.rejected:
        raise typer.Exit(REFUSED)


def _opened(file: str | None) -> AbstractContextManager[BinaryIO]:
    if file in (None, "-"):
        return nullcontext(sys.stdin.buffer)
    try:
        return Path(file).open("rb")
    except OSError as error:
        raise Failure(f"can't read {file}: {error.strerror}", USAGE) from error


def _json_object(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Failure(f"--metadata: not JSON ({error})", USAGE) from error
    if not isinstance(value, dict):
        raise Failure("--metadata: not a JSON object", USAGE)
    return value
