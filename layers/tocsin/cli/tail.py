"""``tocsin tail``: watch events as they are sealed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Event as Flag
from threading import Timer
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tocsin.cli._connection import ApiKeyOption, UrlOption, connection
from tocsin.cli._failure import NOT_IN_TIME, USAGE, Failure, expected_failures
from tocsin.cli._output import complain, console, escaped, finish, json_escaped, require_output, say

if TYPE_CHECKING:
    from tocsin.client import Client, Event

__all__ = ["tail"]

_LONGEST_SECONDS: Final = 30 * 24 * 60 * 60
_ALSO: Final = {"anomaly.detected": {"anomaly.detected", "anomaly"}}  # KavachOS' name, and ours
_PANEL = "Show only"
_Any = Annotated[
    list[str] | None,
    typer.Option(show_default=False, rich_help_panel=_PANEL, help="May be given repeatedly."),
]
_One = Annotated[
    list[str] | None,
    typer.Option(
        metavar="<str>", show_default=False, rich_help_panel=_PANEL, help="May be given once."
    ),
]


def tail(
    type: _Any = None,
    agent: _One = None,
    session: _One = None,
    server: _One = None,
    action: _One = None,
    user: _One = None,
    model: _One = None,
    provider: _One = None,
    compliance_tag: _One = None,
    trace: _One = None,
    call: _One = None,
    tool: _Any = None,
    after: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="SEQ",
            show_default=False,
            help="Begin after this event; 0 is from the start. Else with the next event.",
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="TYPE",
            show_default=False,
            help="End with the first event of this type; `anomaly.detected` is also Tocsin's own "
            "`anomaly`.",
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            show_default=False,
            help="End without it, with the exit code 3, after so long.",
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

        tocsin tail --after 0 --type tool_call --action deny --agent claude

        tocsin tail --json | jq .tool_name

        tocsin tail --until anomaly.detected --timeout 300

    Exit codes: 130 interrupted; 0 the output's reader is gone, or what `--until` names has come; 3
    it did not come in time; 1 refused; 2 wrong usage or settings; 4 Tocsin is out of reach from
    the start.
    """
    if timeout is not None and until is None:
        raise Failure("--timeout needs --until: what to wait for", USAGE)
    if timeout is not None and not 0 <= timeout <= _LONGEST_SECONDS:  # nor is it NaN
        raise Failure(f"--timeout is 0 to {_LONGEST_SECONDS:,} seconds", USAGE)
    require_output()
    place = connection(url, api_key)

    from tocsin.client import Client

    show = _printer(json)

    last = _ALSO.get(until, {until}) if until else set()

    def show_tool(event: "Event") -> bool:
        if not tool or event.tool_name in tool:
            show(event)
            return event.type in last
        return False

    with expected_failures(place.url), Client(place.url, place.api_key) as client:
        stream = partial(
            client.stream,
            types=[*type, *sorted(last - {*type})] if type else None,
            agent_id=_one("--agent", agent),
            session_id=_one("--session", session),
            server_id=_one("--server", server),
            action=_one("--action", action),
            user_id=_one("--user", user),
            model=_one("--model", model),
            provider=_one("--provider", provider),
            compliance_tag=_one("--compliance-tag", compliance_tag),
            trace_id=_one("--trace", trace),
            call_id=_one("--call", call),
            tool_name=tool[0] if tool and len(tool) == 1 else None,
        )
        late = Flag()
        with _giving_up(client, late, timeout):
            came = _watch(stream, after, show_tool, late)
    if not came:
        raise Failure(f"no {until} within {timeout:g} seconds", NOT_IN_TIME)


@contextmanager
def _giving_up(client: "Client", late: Flag, timeout_seconds: float | None) -> Iterator[None]:
    """Close the client after a while, which ends its stream."""
    if timeout_seconds is None:
        yield
        return

    def give_up() -> None:
        late.set()
        client.close(0)

    timer = Timer(timeout_seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _one(option: str, values: list[str] | None) -> str | None:
    """Return the value of an option that a stream takes once; the last of two would hide events."""
    if values and len(values) > 1:
        raise Failure(f"{option} is given twice: watch one in each `tocsin tail`", USAGE)
    return values[0] if values else None


def _watch(
    stream: Callable[..., Iterator["Event"]],
    after: int | None,
    show: Callable[["Event"], bool],
    late: Flag,
) -> bool:
    """Show events until one is the last; False: until it is too late."""
    from tocsin.client import Gap

    connected = True

    def dropped(error: BaseException) -> None:
        nonlocal connected
        if connected:
            reason = escaped(str(error) or type(error).__name__)
            complain(f"not connected ({reason}): trying again")
        connected = False

    while True:
        try:
            for event in stream(after, on_drop=dropped):
                if not connected:
                    complain(f"connected again at event {event.seq}")
                connected = True
                if show(event):
                    return True
            if late.is_set():
                return False
        except Gap as gap:
            complain(f"{gap}: going on with {gap.first_seq}")
            after = gap.first_seq - 1


def _printer(as_json: bool) -> Callable[["Event"], None]:
    if as_json:
        import orjson

        return lambda event: say(json_escaped(orjson.dumps(event.fields).decode()))

    from tocsin.cli._lines import line

    terminal = console()

    def print_line(event: "Event") -> None:
        terminal.print(line(event), soft_wrap=True)
        finish()

    return print_line
