"""``tocsin mcp``: the command."""

import os
import select
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Annotated

import typer

from tocsin.cli._connection import ApiKeyOption, Connection, UrlOption, connection
from tocsin.cli._failure import Failure
from tocsin.cli._local import home, own_home
from tocsin.cli._output import escaped
from tocsin.cli.mcp.calls import Calls, Recording
from tocsin.cli.mcp.gate import Gate
from tocsin.cli.mcp.recorder import Recorder
from tocsin.cli.mcp.relay import relay
from tocsin.cli.mcp.sender import Sender
from tocsin.cli.mcp.signals import Signals, end_like
from tocsin.cli.mcp.spool import Spool, target_folder
from tocsin.cli.mcp.standing import Standing
from tocsin.cli.mcp.witness import Witness

__all__ = ["mcp"]

_PROMPT_SECONDS = 0.0005  # with Python's own 5 ms the sender could hold up a message for that long
_LINE_CHARS = 1_000  # with four bytes each, what a pipe takes in one piece (PIPE_BUF)


def mcp(
    command: Annotated[
        list[str], typer.Argument(metavar="COMMAND...", help="The server and its arguments.")
    ],
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    server: Annotated[
        str | None,
        typer.Option(show_default=False, help="The server's name; else what it calls itself."),
    ] = None,
    session: Annotated[
        str | None,
        typer.Option(show_default=False, help="The session of the calls; else a new one."),
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option(
            show_default=False,
            help="The agent whose calls these are; else what the client calls itself. "
            "An agent's own key needs it.",
        ),
    ] = None,
    record_arguments: Annotated[
        bool,
        typer.Option("--record-arguments", help="Record arguments too. They can hold secrets."),
    ] = False,
    record_results: Annotated[
        bool,
        typer.Option("--record-results", help="Record results too. They can hold secrets."),
    ] = False,
    spool_max_mb: Annotated[
        float,
        typer.Option(min=0.001, help="How much to keep on disk while Tocsin is out of reach."),
    ] = 64,
    flush_seconds: Annotated[
        float,
        typer.Option(min=0, help="How long to go on sending after the server has ended."),
    ] = 5,
) -> None:
    """Relay an MCP server over stdio, and record each of its tool calls as one event.

    What client and server say passes unchanged in both directions; standard error, signals and the
    exit code are the server's. With Tocsin out of reach the relay works as before: events wait
    in `$TOCSIN_HOME/spool` and are sent, in order and once, when Tocsin is back.

    While a person has suspended the session, calls of tools are answered with an error and don't
    reach the server. To know it, a call waits for Tocsin's answer, but a second at most.

    Put it in front of the server's command in your client's settings:

        {"command": "tocsin", "args": ["mcp", "--", "uvx", "mcp-server-git"]}

    Arguments and results are not recorded unless asked for; a fingerprint, under a key that ends
    with the relay, tells only that two calls had the same arguments. Of each tool that the server
    lists, a hash of its definition is recorded, when it is new. If nothing can be recorded, for
    example because there is no key, the relay says so once and works all the same.

    Exit codes: the server's own; 2 wrong usage, 126 and 127 the server can't be run.
    """
    witness = Witness()  # before there are threads, and files that it would hold open
    signals = Signals(witness)
    signals.take_over()
    try:
        place = connection(url, api_key)
        spool = _spool(place, int(spool_max_mb * 1_000_000))
    except Exception as error:  # whatever it is: the agent's tools come first
        _say(f"recording nothing: {_reason(error)}")
        end_like(relay(command, signals, _ignore, _ignore, lambda: None), witness)
    recording = Recording(
        session=session or f"sess_{token_hex(10)}",
        command=Path(command[0]).name,
        server=server,
        agent=agent,
        arguments=record_arguments,
        results=record_results,
    )
    calls = Calls(recording, lambda: datetime.now(UTC), time.monotonic)
    recorder = Recorder(calls, spool, _say)
    sender = Sender(spool, place.url, place.api_key, _say)
    standing = Standing(place.url, place.api_key, recording.session, agent)

    def start() -> None:
        sender.start()
        standing.start()

    def gate(answer: Callable[[bytes], None]) -> Gate:
        return Gate(recording.session, standing.suspended, recorder.refused, answer)

    sys.setswitchinterval(_PROMPT_SECONDS)
    try:
        returncode = relay(
            command, signals, recorder.from_client, recorder.from_server, start, gate
        )
        _last_words(recorder, sender, spool, signals, flush_seconds)
    finally:
        with suppress(OSError):
            spool.close()
    end_like(returncode, witness)


def _spool(place: Connection, max_bytes: int) -> Spool:
    try:
        root = own_home() / "spool"
        return Spool(target_folder(root, place.url, place.api_key), max_bytes=max_bytes)
    except OSError as error:
        raise Failure(
            f"can't keep events in {home() / 'spool'} ({error.strerror}): "
            "set TOCSIN_HOME to a folder that can be written"
        ) from error


def _last_words(
    recorder: Recorder, sender: Sender, spool: Spool, signals: Signals, flush_seconds: float
) -> None:
    """Record what was never answered, send what can be sent, and say what is left."""
    recorder.finish()
    patience_seconds = min(flush_seconds, 1) if signals.count else flush_seconds
    sender.stop(patience_seconds, lambda: signals.interrupted)
    if spool.dropped:
        _say(f"{spool.dropped} tool calls were dropped: there was no room in the spool")
    if spool.pending:
        _say(f"{spool.pending} tool calls are kept in {spool.path} for the next relay to send")


def _ignore(chunk: bytes) -> None:
    """Observe nothing."""


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, Failure) else repr(error)


def _say(line: str) -> None:
    """Write a line in one piece, at once, or not at all.

    The server writes to the same place. A client that does not read it must not stop the relay,
    and a pipe that can be written takes a line of this size without waiting.
    """
    content = f"tocsin mcp: {escaped(line)}"[:_LINE_CHARS] + "\n"
    with suppress(OSError):
        _, writable, _ = select.select([], [2], [], 0)
        if writable:
            os.write(2, content.encode(errors="replace"))
