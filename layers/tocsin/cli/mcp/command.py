"""``tocsin mcp``: the command."""

import os
import select
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from secrets import token_hex
from typing import Annotated

import typer

from tocsin.cli._connection import ApiKeyOption, Connection, UrlOption, connection
from tocsin.cli._failure import USAGE, Failure
from tocsin.cli._local import home, own_home
from tocsin.cli._output import escaped
from tocsin.cli.mcp import pins
from tocsin.cli.mcp.calls import Calls, Recording
from tocsin.cli.mcp.gate import Gate
from tocsin.cli.mcp.held import Elicit
from tocsin.cli.mcp.pinning import Pinning
from tocsin.cli.mcp.policies import Policies
from tocsin.cli.mcp.recorder import Recorder
from tocsin.cli.mcp.relay import relay
from tocsin.cli.mcp.sender import Sender
from tocsin.cli.mcp.signals import Signals, end_like
from tocsin.cli.mcp.spool import Spool, target_folder
from tocsin.cli.mcp.standing import Standing
from tocsin.cli.mcp.witness import Witness

__all__ = ["Fail", "mcp"]

_PROMPT_SECONDS = 0.0005  # with Python's own 5 ms the sender could hold up a message for that long
_LINE_CHARS = 1_000  # with four bytes each, what a pipe takes in one piece (PIPE_BUF)
_AGENTS_SESSIONS = ("CLAUDE_CODE_SESSION_ID",)  # what agents tell the servers that they start


class Fail(StrEnum):
    """What happens to calls about which Tocsin says nothing."""

    OPEN = "open"
    CLOSED = "closed"


def mcp(
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="[COMMAND]...", help="The server and its arguments."),
    ] = None,
    http: Annotated[
        str | None,
        typer.Option(
            metavar="URL", show_default=False, help="A server's URL, in place of a command."
        ),
    ] = None,
    port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, help="With --http: where to listen on 127.0.0.1; 0: any that is free."
        ),
    ] = 8486,
    stdio: Annotated[
        bool,
        typer.Option("--stdio", help="With --http: speak stdio with the client, and don't listen."),
    ] = False,
    header: Annotated[
        list[str] | None,
        typer.Option(
            metavar="'NAME: VALUE'",
            show_default=False,
            help="With --stdio: sent to the server, ${VARIABLE} replaced. May be given again.",
        ),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            show_default=False,
            help="With --http: a web page's origin that may call. Those of this machine may.",
        ),
    ] = None,
    enforce: Annotated[
        bool,
        typer.Option(
            "--enforce",
            help="Have the org's policies decide about each call. Its arguments are recorded then.",
        ),
    ] = False,
    fail: Annotated[
        Fail,
        typer.Option(
            help="With --enforce, while Tocsin is out of reach: closed refuses calls, open lets "
            "them pass."
        ),
    ] = Fail.CLOSED,
    elicit: Annotated[
        Elicit,
        typer.Option(
            help="Where a policy asks: whether the client asks its user, too. confirm: who says no "
            "refuses the call. decide: who says yes approves it, with TOCSIN_APPROVE_KEY."
        ),
    ] = Elicit.NO,
    approve_key: Annotated[
        str | None,
        typer.Option(
            envvar="TOCSIN_APPROVE_KEY",
            show_default=False,
            help="With --elicit decide: the user's own key, with the scope approve.",
        ),
    ] = None,
    pin: Annotated[
        bool,
        typer.Option(
            "--pin", help="Refuse calls of tools that are new, or not described as they were."
        ),
    ] = False,
    pin_new: Annotated[
        bool,
        typer.Option("--pin-new", help="Pin new tools when they appear: only changes are refused."),
    ] = False,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    server: Annotated[
        str | None,
        typer.Option(show_default=False, help="The server's name; else what it calls itself."),
    ] = None,
    session: Annotated[
        str | None,
        typer.Option(
            envvar="TOCSIN_SESSION",
            show_default=False,
            help="The session of the calls; else the agent's, if it tells it, or a new one.",
        ),
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option(
            envvar="TOCSIN_AGENT",
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
    """Relay an MCP server, over stdio or HTTP, and record each of its tool calls as one event.

    What client and server say passes unchanged in both directions; standard error, signals and the
    exit code are the server's. With Tocsin out of reach the relay works as before: events wait
    in `$TOCSIN_HOME/spool` and are sent, in order and once, when Tocsin is back.

    While a person has suspended the session, calls of tools are answered with an error and don't
    reach the server. To know it, a call waits for Tocsin's answer, but a second at most.

    Put it in front of the server's command in your client's settings:

        {"command": "tocsin", "args": ["mcp", "--", "uvx", "mcp-server-git"]}

    With `--http URL` it listens on 127.0.0.1 in front of a server that speaks streamable HTTP.

    With `--enforce` a call passes when the org's policies allow it. Where they ask, it waits until
    a person has approved it, and is refused otherwise. With `--pin` a tool whose description or
    schema changes is refused until `tocsin pins accept`.

    Arguments and results are not recorded unless asked for; a fingerprint, under a key that ends
    with the relay, tells only that two calls had the same arguments. Of each tool that the server
    lists, a hash of its definition is recorded, when it is new. If nothing can be recorded, for
    example because there is no key, the relay says so once and works all the same.

    Exit codes: the server's own; 2 wrong usage, 126 and 127 the server can't be run.
    """
    if (http is None) == (not command):
        raise Failure("give a server's command, or its URL with --http", USAGE)
    if stdio and http is None:
        raise Failure("--stdio is for a server with --http", USAGE)
    if elicit is Elicit.DECIDE and not approve_key:
        raise Failure("--elicit decide needs the user's own key: set TOCSIN_APPROVE_KEY", USAGE)
    where = command or [http or ""]
    recording = Recording(
        session=session or _agents_session() or f"sess_{token_hex(10)}",
        command=Path(where[0]).name if command else _host(http or ""),
        server=server,
        agent=agent,
        arguments=record_arguments,
        results=record_results,
    )
    pinning = _pinning(recording, where, pin, pin_new)
    if http is not None and not stdio:
        from tocsin.cli.mcp.http.serving import Serving, served

        place = connection(url, api_key)
        policies = Policies(place.url, place.api_key, approve_key) if enforce else None
        serving = Serving(
            server=http,
            port=port,
            origins=frozenset(allow_origin or ()),
            place=place,
            spool=_spool(place, int(spool_max_mb * 1_000_000)),
            recording=recording,
            pinning=pinning,
            refuses=pin,
            policies=policies,
            fail_open=fail is Fail.OPEN,
            elicit=elicit,
            flush_seconds=flush_seconds,
            say=_say,
        )
        served(serving)
        return
    if http is not None:
        given = [part for each in header or () for part in ("--header", each)]
        command = [sys.executable, "-m", "tocsin.cli.mcp.http.bridge", *given, "--", http]
    assert command is not None  # noqa: S101 (there is one, or a URL)
    witness = Witness()  # before there are threads, and files that it would hold open
    signals = Signals(witness)
    signals.take_over()
    place_or_none, spool = _recording_to(url, api_key, spool_max_mb)
    if enforce and place_or_none is None and fail is Fail.CLOSED:
        raise Failure("with --enforce no call passes without Tocsin: see above", USAGE)
    if place_or_none is None and not pin:
        end_like(relay(command, signals, _ignore, _ignore, lambda: None), witness)
    calls = Calls(
        recording,
        lambda: datetime.now(UTC),
        time.monotonic,
        pinning,
    )
    recorder = Recorder(calls, spool, _say)
    sender = standing = policies = None
    if place_or_none is not None and spool is not None:
        place = place_or_none
        sender = Sender(spool, place.url, place.api_key, _say)
        standing = Standing(place.url, place.api_key, recording.session, agent)
        policies = Policies(place.url, place.api_key, approve_key) if enforce else None
    suspended = standing.suspended if standing is not None else _never

    def start() -> None:
        if sender is not None and standing is not None:
            sender.start()
            standing.start()

    def gate(
        answer: Callable[[bytes], None], pass_on: Callable[[bytes], None]
    ) -> Callable[[bytes], bytes]:
        if policies is None and not pin:
            return Gate(recording.session, suspended, recorder.refused, answer)
        from tocsin.cli.mcp.desk import Desk, Rules
        from tocsin.cli.mcp.guard import Guard

        rules = Rules(suspended, policies, fail is Fail.OPEN, elicit, pinning if pin else None)
        return Guard(Desk(calls, recorder, rules), answer, pass_on)

    sys.setswitchinterval(_PROMPT_SECONDS)
    try:
        returncode = relay(
            command, signals, recorder.from_client, recorder.from_server, start, gate
        )
        if sender is not None and spool is not None:
            _last_words(recorder, sender, spool, signals, flush_seconds)
    finally:
        with suppress(OSError):
            if spool is not None:
                spool.close()
    end_like(returncode, witness)


def _pinning(recording: Recording, where: list[str], pin: bool, new: bool) -> Pinning | None:
    """Return the server's pins; None: they can't be kept, and are not needed."""
    try:
        file = pins.Pins(pins.folder() / f"{pins.identity(recording.server, where)}.json")
        if pin:
            file.read()
        name = recording.server or recording.command
        return Pinning(file, name, new or not pin, pin, _say)
    except (OSError, ValueError, Failure, RuntimeError) as error:  # no home: RuntimeError
        if pin:
            raise Failure(f"no tool can be pinned: {_reason(error)}", USAGE) from error
        return None


def _recording_to(
    url: str | None, api_key: str | None, spool_max_mb: float
) -> tuple[Connection | None, Spool | None]:
    """Return where events go, and where they wait; None: nothing can be recorded."""
    try:
        place = connection(url, api_key)
        return place, _spool(place, int(spool_max_mb * 1_000_000))
    except Exception as error:  # whatever it is: the agent's tools come first
        _say(f"recording nothing: {_reason(error)}")
        return None, None


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


def _agents_session() -> str | None:
    """Return the session's id that the agent told, so that it is one with what its hooks tell."""
    return next((os.environ[name] for name in _AGENTS_SESSIONS if os.environ.get(name)), None)


def _host(url: str) -> str:
    """Return what a server is called by its URL."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError
    except ValueError as error:
        raise Failure(
            f"{url!r} is no server's URL: it reads like https://example.com/mcp", USAGE
        ) from error
    return parts.hostname


def _never() -> bool:
    """Without Tocsin, nothing is suspended."""
    return False


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
