"""``tocsin doctor``: whether a set-up works, and what to fix."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tocsin.cli._connection import ApiKeyOption, Connection, UrlOption, connection
from tocsin.cli._failure import REFUSED
from tocsin.cli._output import escaped, say
from tocsin.cli.hook import Product
from tocsin.cli.hooks import files
from tocsin.cli.hooks.plans import Found, found_in, settings_path
from tocsin.cli.hooks.text import NotPlain, value_of
from tocsin.wire.intake.hooks.asking import asks

if TYPE_CHECKING:
    import httpx

__all__ = ["doctor"]

_MAX_SKEW_SECONDS: Final = 60
_SECONDS: Final = 20
_PREFLIGHT: Final = "/v1/preflight/tocsin.canary"


class _State(StrEnum):
    OK = "ok"
    LOOK = "look"  # it works; somebody should know
    FIX = "FIX"


@dataclass(frozen=True, slots=True)
class _Finding:
    state: _State
    what: str


def doctor(
    products: Annotated[
        list[Product] | None,
        typer.Argument(
            show_default=False, help="The coding agents; else all that have Tocsin's hooks."
        ),
    ] = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Check a set-up: address, key, clock, and whether coding agents' hooks hold a call.

    Each installed hook that is asked about calls is run as its product runs it, with a call of
    `tocsin.canary`, a tool that Tocsin denies whatever the policies say. No tool runs.

    Exit codes: 0 all is well, 1 something is to be fixed.
    """
    place = connection(url, api_key)
    bad = False
    for finding in (*_tocsin(place), *_products(place, [each.value for each in products or ()])):
        say(f"{finding.state:4}  {escaped(finding.what)}")
        bad = bad or finding.state is _State.FIX
    raise typer.Exit(REFUSED if bad else 0)


def _tocsin(place: Connection) -> Iterator[_Finding]:
    import httpx

    headers = {"Authorization": f"Bearer {place.api_key}"}
    body = {"agent": "tocsin doctor", "session": "tocsin-doctor", "params": {}}
    with httpx.Client(base_url=place.url, headers=headers, timeout=_SECONDS) as client:
        try:
            answer = client.post(_PREFLIGHT, json=body)
        except httpx.HTTPError as error:
            why = str(error) or type(error).__name__
            yield _Finding(_State.FIX, f"{place.url} is out of reach ({why}): is the URL right?")
            return
        said = _json(answer)
        if "code" not in said and "decision" not in said:
            yield _Finding(_State.FIX, f"{place.url} is not Tocsin's URL")
            return
        yield _Finding(_State.OK, f"{place.url} answers")
        yield from _clock(answer)
        if answer.status_code == 401:
            yield _Finding(_State.FIX, "the key is not valid: set TOCSIN_API_KEY to one that is")
        elif answer.status_code == 403 and "agent" in str(said.get("error")):
            yield _Finding(_State.OK, "the key is an agent's own, which hooks can have")
        elif answer.status_code == 403:
            yield _Finding(_State.FIX, f"the key may not send what agents do: {said.get('error')}")
        elif answer.status_code != 200:
            yield _Finding(_State.FIX, f"calls are not decided: {said.get('error')}")
        elif said.get("decision") != "deny":
            yield _Finding(_State.FIX, "the canary is let through: is this an older Tocsin?")
        else:
            yield _Finding(_State.OK, "the key is valid, and has the scope ingest")
            if client.get("/api/v1/keys").status_code == 200:
                why = "an admin's, and with it nobody can approve what hooks ask for with it"
                advice = "give them one of their own (`tocsin keys create --scope ingest`)"
                yield _Finding(_State.LOOK, f"the key is {why}: {advice}")


def _clock(answer: "httpx.Response") -> Iterator[_Finding]:
    try:
        there = parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        yield _Finding(_State.LOOK, "the answer has no date: clocks can't be compared")
        return
    ahead = round(time.time() - there)
    if abs(ahead) > _MAX_SKEW_SECONDS:
        way = "ahead" if ahead > 0 else "behind"
        yield _Finding(_State.FIX, f"this clock is {abs(ahead)} seconds {way}: set it")
    else:
        yield _Finding(_State.OK, "this clock and Tocsin's are together")


def _products(place: Connection, named: list[str]) -> Iterator[_Finding]:
    nothing = True
    for product in named or [each.value for each in Product]:
        hooks = list[tuple[Path, Found]]()
        for path in {settings_path(product, None): 1, settings_path(product, Path.cwd()): 1}:
            try:
                text = files.read(path)
                found = found_in(product, value_of(text or ""))
            except (OSError, UnicodeDecodeError, NotPlain) as error:
                yield _Finding(_State.FIX, f"{path} can't be read ({error})")
                nothing = False
                continue
            hooks += [(path, each) for each in found]
        asked = [(path, each) for path, each in hooks if asks(product, each.event)]
        if not hooks and not named:
            continue
        nothing = False
        if not asked:
            yield _Finding(_State.FIX, f"{product} asks about no call: `tocsin install {product}`")
        for path, each in asked:
            yield from _fired(place, product, path, each)
    if nothing:
        yield _Finding(_State.LOOK, "no coding agent has Tocsin's hooks: see `tocsin install`")


def _fired(place: Connection, product: str, path: Path, found: Found) -> Iterator[_Finding]:
    from tocsin.cli.hooks.firing import fired

    what, hook = f"{product}: {found.event} in {path}", found.hook
    where = f"{hook.get('url') or hook.get('command')}"
    if place.url not in where:
        yield _Finding(_State.FIX, f"{what} is for another Tocsin: `tocsin install {product}`")
    if hook.get("type") == "http" and hook.get("onFailure") != "block":
        yield _Finding(
            _State.FIX,
            f"{what} lets calls through while Tocsin is out of reach: `tocsin install {product}`",
        )
    held = fired(product, found.event, hook)
    if held.held and held.decided:
        yield _Finding(_State.OK, f"{what} holds a call that Tocsin denies")
    elif held.held:
        yield _Finding(
            _State.FIX, f"{what} holds every call, since it can't ask Tocsin: {held.why}"
        )
    else:
        yield _Finding(_State.FIX, f"{what} lets calls through that Tocsin denies: {held.why}")


def _json(answer: "httpx.Response") -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
