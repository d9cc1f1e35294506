"""``tocsin proxy``: the command."""

import os
import select
import socket
from contextlib import suppress
from enum import StrEnum
from secrets import token_hex
from typing import Annotated, Final

import typer

from tocsin.cli._connection import ApiKeyOption, Connection, UrlOption, connection
from tocsin.cli._extras import lacks
from tocsin.cli._failure import USAGE, Failure
from tocsin.cli._local import home, own_home
from tocsin.cli._output import escaped, say
from tocsin.cli.mcp.spool import Spool, target_folder
from tocsin.cli.proxy.bases import Base, Bases

__all__ = ["proxy"]

_BACKLOG: Final = 1024
_LINE_CHARS: Final = 1_000  # with four bytes each, what a pipe takes in one piece (PIPE_BUF)


class Fail(StrEnum):
    """What happens to calls whose events Tocsin does not take."""

    OPEN = "open"
    CLOSED = "closed"


def proxy(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8485,
    host: Annotated[
        str, typer.Option(help="Whoever reaches it can record events with your key.")
    ] = "127.0.0.1",
    openai: Annotated[
        str,
        typer.Option(
            metavar="[NAME=]URL", help="Where OpenAI's calls go, with its `/v1`; and whose that is."
        ),
    ] = "https://api.openai.com/v1",
    anthropic: Annotated[
        str, typer.Option(metavar="[NAME=]URL", help="Where Anthropic's calls go.")
    ] = "https://api.anthropic.com",
    fail: Annotated[
        Fail,
        typer.Option(
            help="open: calls pass, whether Tocsin can be reached or not. closed: a call passes "
            "when Tocsin has its event and its session is not suspended."
        ),
    ] = Fail.OPEN,
    bodies: Annotated[
        bool,
        typer.Option(
            "--bodies", help="Record questions, answers and arguments too. They can hold secrets."
        ),
    ] = False,
    agent: Annotated[
        str | None,
        typer.Option(
            envvar="TOCSIN_AGENT", show_default=False, help="The agent whose calls these are."
        ),
    ] = None,
    session: Annotated[
        str | None,
        typer.Option(
            envvar="TOCSIN_SESSION",
            show_default=False,
            help="The session of the calls; else a new one.",
        ),
    ] = None,
    patience_seconds: Annotated[
        float,
        typer.Option(min=0.1, help="With --fail closed: how long a call waits for Tocsin."),
    ] = 5,
    drain_seconds: Annotated[
        float, typer.Option(min=0, help="How long to wait for open calls after SIGTERM.")
    ] = 30,
    flush_seconds: Annotated[
        float, typer.Option(min=0, help="How long to go on sending after that.")
    ] = 5,
    spool_max_mb: Annotated[
        float,
        typer.Option(min=0.001, help="How much to keep on disk while Tocsin is out of reach."),
    ] = 64,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Be a base URL for the clients of OpenAI and Anthropic, and record each call of a model.

    Requests and answers pass unchanged, streams as they come; the vendor's key passes too, and is
    never recorded. Of each call a request and a response are recorded: model, provider, tokens,
    latency, status, and the ids of tools' calls. Point your agents here:

        export OPENAI_BASE_URL=http://127.0.0.1:8485/v1

        export ANTHROPIC_BASE_URL=http://127.0.0.1:8485

    A request can say whose it is, by headers that end here: `x-tocsin-agent`, `x-tocsin-session`,
    `x-tocsin-user` and `x-tocsin-compliance-tag`.

    With Tocsin out of reach events wait in `$TOCSIN_HOME/spool` and are sent, in order and once,
    when Tocsin is back.

    Exit codes: 0 ended by SIGTERM or SIGINT; 1 the port is taken; 2 wrong usage or settings.
    """
    place = connection(url, api_key)
    bases = Bases(_base("--openai", openai), _base("--anthropic", anthropic))

    import asyncio

    try:
        from tocsin.cli.proxy.forwarding import Options
        from tocsin.cli.proxy.serving import Serving
    except ModuleNotFoundError as error:
        lacks("`tocsin proxy`", error, "proxy")

    listener = _listener(host, port)
    spool = _spool(place, int(spool_max_mb * 1_000_000))
    shown = f"[{host}]" if ":" in host else host
    own = f"http://{shown}:{listener.getsockname()[1]}"

    def ready() -> None:
        say(f"OPENAI_BASE_URL={own}/v1\nANTHROPIC_BASE_URL={own}")

    serving = Serving(
        place=place,
        spool=spool,
        bases=bases,
        options=Options(agent, session or f"sess_{token_hex(10)}", bodies),
        listener=listener,
        closed=fail is Fail.CLOSED,
        patience_seconds=patience_seconds,
        drain_seconds=drain_seconds,
        flush_seconds=flush_seconds,
        say=_say,
        ready=ready,
    )
    try:
        asyncio.run(serving.run())
    finally:
        with suppress(OSError):
            spool.close()
    if spool.dropped:
        _say(f"{spool.dropped} events were dropped: there was no room in the spool")
    if spool.pending:
        _say(f"{spool.pending} events are kept in {spool.path} for the next proxy to send")


def _base(option: str, text: str) -> Base:
    try:
        return Base.of(text)
    except ValueError as error:
        raise Failure(f"{option}: {error}", USAGE) from error


def _listener(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Its protocol is named, as ``socket.create_server`` does not: asyncio turns off Nagle's algorithm
    only then, which would hold back every second token of a stream for 40 ms.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = error.strerror if isinstance(error, OSError) else error
        raise Failure(f"can't listen on {host}:{port}: {reason}") from error
    return listener


def _spool(place: Connection, max_bytes: int) -> Spool:
    try:
        root = own_home() / "spool"
        return Spool(target_folder(root, place.url, place.api_key), max_bytes=max_bytes)
    except OSError as error:
        raise Failure(
            f"can't keep events in {home() / 'spool'} ({error.strerror}): "
            "set TOCSIN_HOME to a folder that can be written"
        ) from error


def _say(line: str) -> None:
    """Write a line in one piece, at once, or not at all: nobody may read it."""
    content = f"tocsin proxy: {escaped(line)}"[:_LINE_CHARS] + "\n"
    with suppress(OSError):
        _, writable, _ = select.select([], [2], [], 0)
        if writable:
            os.write(2, content.encode(errors="replace"))
