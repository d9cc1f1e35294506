"""``tocsin pins``: what MCP servers said of their tools, and what counts from now on."""

import json
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path
from typing import Annotated, Any

import typer

from tocsin.cli._failure import Failure
from tocsin.cli._output import escaped, say
from tocsin.cli.mcp.pins import Pin, Pins, Server, folder

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="See and pin what MCP servers say of their tools.")

ServerArgument = Annotated[
    str, typer.Argument(metavar="SERVER", help="Its id in the list, or its name.")
]


@app.command("list")
def list_servers() -> None:
    """List the servers that `tocsin mcp` has seen, and how many of their tools changed."""
    for path in sorted(_folder().glob("*.json")):
        server = _read(Pins(path))
        tools = server.tools.values()
        pinned = sum(bool(pin.pinned) for pin in tools)
        changed = sum(bool(pin.pinned and pin.seen) for pin in tools)
        new = sum(not pin.pinned for pin in tools)
        name = escaped(server.name)
        say(f"{path.stem}  {name}: {pinned} pinned, {changed} changed, {new} new")


@app.command()
def show(server: ServerArgument) -> None:
    """Show what differs from what is pinned, and what is new."""
    for name, pin in sorted(_read(_named(server)).tools.items()):
        if pin.seen:
            _show(name, pin)


@app.command()
def accept(
    server: ServerArgument,
    tools: Annotated[
        list[str] | None, typer.Argument(metavar="[TOOL]...", help="Else all of them.")
    ] = None,
) -> None:
    """Pin what was seen last: calls of these tools pass again.

    It is what `tocsin pins show` shows. Relays that run take note of it.
    """
    file = _named(server)
    try:
        with file.locked():
            before = _read(file)
            names = set(tools or before.tools)
            if unknown := names - before.tools.keys():
                raise Failure(f"no tool {', '.join(sorted(map(repr, unknown)))} was seen")
            after = {
                name: pin.accepted() if name in names else pin for name, pin in before.tools.items()
            }
            file.write(Server(before.name, before.whole, after))
    except OSError as error:
        raise Failure(f"can't write {file.path}: {error.strerror}") from error
    for name in sorted(names):
        if before.tools[name].seen:
            say(f"pinned: {escaped(name)} {before.tools[name].seen}")


@app.command()
def forget(server: ServerArgument) -> None:
    """Forget a server: what it says next is pinned."""
    file = _named(server)
    try:
        file.forget()
    except OSError as error:
        raise Failure(f"can't remove {file.path}: {error.strerror}") from error


def _folder() -> Path:
    try:
        return folder()
    except OSError as error:
        raise Failure(f"there is no folder for pins: {error.strerror}") from error


def _named(server: str) -> Pins:
    files = [Pins(path) for path in sorted(_folder().glob("*.json"))]
    found = [file for file in files if file.path.stem == server]
    found = found or [file for file in files if _read(file).name == server]
    if not found:
        raise Failure(f"no server {server!r} was seen: `tocsin pins list` lists those that were")
    if len(found) > 1:
        ids = ", ".join(file.path.stem for file in found)
        raise Failure(f"several servers are called {server!r}: use one of {ids}")
    return found[0]


def _read(file: Pins) -> Server:
    try:
        return file.read()
    except (OSError, ValueError) as error:
        raise Failure(f"can't use {file.path}: {error}") from error


def _show(name: str, pin: Pin) -> None:
    say(f"{escaped(name)} {'has changed' if pin.pinned else 'is new'}")
    say(f"  pinned {pin.pinned or '-'} {pin.pinned_at}")
    say(f"  seen   {pin.seen} {pin.seen_at}")
    before, now = _lines(pin.pinned_definition), _lines(pin.seen_definition)
    for line in list(unified_diff(before, now, lineterm="", n=2))[2:]:
        say("  " + escaped(line))


def _lines(definition: Any) -> list[str]:
    return [] if definition is None else list(_pretty(definition))


def _pretty(definition: Any) -> Iterator[str]:
    # In ASCII: what can't be seen may be meant for the model alone.
    yield from json.dumps(definition, indent=2, sort_keys=True).split("\n")
