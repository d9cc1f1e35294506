"""``tocsin demo``: the command."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from secrets import token_hex
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tocsin.cli._connection import ApiKeyOption, UrlOption, connected, connection
from tocsin.cli._output import escaped, say

if TYPE_CHECKING:
    from tocsin.client import Client

__all__ = ["demo"]

_KEY_LASTS: Final = timedelta(hours=1)


class Scene(StrEnum):
    """What there is to be seen."""

    SESSION = "session"
    SPIKE = "spike"


def demo(
    scene: Annotated[
        Scene,
        typer.Argument(
            help="session: four agents for a minute. spike: a history, and too many calls on it."
        ),
    ] = Scene.SESSION,
    fast: Annotated[bool, typer.Option("--fast", help="Without pauses between events.")] = False,
    wait: Annotated[
        float,
        typer.Option(
            min=0,
            max=120,
            metavar="SECONDS",
            help="How long to wait, at the end, for your answer and for the alert, each.",
        ),
    ] = 30,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Play something to look at: agents with models, tokens, tools, errors, and one in a loop.

    Watch it on the dashboard, or in another terminal with `tocsin tail`. Your org's policies decide
    about two calls; where they have a person asked, you are told how to answer, and it goes on
    when you don't. Nothing of it is real but the decisions: every event has `generated`, under
    `metadata`, or in the input of what is decided. The agents' names begin with `demo`.

    With an admin's key the agents get one of their own, for the time of the showing, since nobody
    can approve what was asked for with the same key.
    """
    with connected(url, api_key) as client:
        if scene is Scene.SPIKE:
            from tocsin.cli.demo.spike import send_spike

            send_spike(client)
            return
        _session(client, connection(url, api_key).url, fast=fast, wait_seconds=wait)


def _session(client: "Client", url: str, *, fast: bool, wait_seconds: float) -> None:
    from tocsin.cli.demo.playing import Playing, alerts, new_alerts
    from tocsin.cli.demo.story import AGENTS, story

    run = token_hex(4)
    say(f"A minute of {len(AGENTS)} agents that are made up, as each of their events says.")
    say(f"Watch it at {url} (#/feed), or with `tocsin tail`.\n")
    before = alerts(client)
    with _agents_client(client, url) as agents:

        def ask_viewer(id: str) -> None:
            _say_how_to_answer(client, id, url, same_key=agents is client)

        pause = _no_pause if fast else time.sleep
        beats = story(run)
        playing = Playing(agents, lambda line: say(escaped(line)), pause, ask_viewer)
        playing.play(beats, wait_seconds)
    say(f"\n{len(beats)} moments, and `tocsin verify` proves that none was changed since.")
    if before is None:
        say("Was something unusual? This key may not see it: `tocsin anomalies list` with another.")
        return
    found = new_alerts(client, before, wait_seconds)
    for alert in found:
        say(escaped(f"Tocsin noticed: {alert.kind} ({alert.severity}), {alert.description}."))
    say(
        "More of it: `tocsin anomalies list`."
        if found
        else "No alert yet: `tocsin anomalies list` shows it when it comes, if detection is on."
    )
    say("Your own agents: `tocsin install claude-code`, or docs/sources.md.")


@contextmanager
def _agents_client(client: "Client", url: str) -> "Iterator[Client]":
    """Give the agents a key of their own, if this one may make any; it ends with the showing."""
    import httpx

    from tocsin.client import ApiError, Client

    expires_at = (datetime.now(UTC) + _KEY_LASTS).isoformat()
    try:
        key = client.create_key(["ingest"], name="tocsin demo", expires_at=expires_at)
    except ApiError as error:
        if error.status != 403:
            raise
        yield client
        return
    try:
        with Client(url, str(key.token)) as agents:
            yield agents
    finally:
        with suppress(httpx.HTTPError):  # it expires by itself
            client.revoke_key(key.id)


def _say_how_to_answer(client: "Client", id: str, url: str, *, same_key: bool) -> None:
    from tocsin.client import ApiError

    say(f"      You are asked: `tocsin approvals approve {id}`, or deny, or {url}/#/approvals/{id}")
    if same_key:
        say("      With another key than this one, which asks; it needs the scope approve.")
        return
    with suppress(ApiError):  # without a public URL there are no links
        links = client.approval_links(id)
        say(f"      Or open {links.approve_url}")


def _no_pause(_: float) -> None:
    """Go on at once."""
