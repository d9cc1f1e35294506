"""``tocsin privacy``: what becomes of personal data, and which tags events get."""

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from tocsin.cli._connection import ApiKeyOption, UrlOption, connected
from tocsin.cli._failure import USAGE, Failure
from tocsin.cli._output import json_escaped, note, say

__all__ = ["app"]

_PATH = "/api/v1/privacy"
_SETTINGS = ("pii", "tags", "erasable")

app = typer.Typer(
    no_args_is_help=True,
    help="See and change what becomes of personal data; rules of tags.",
)


@app.command()
def show(url: UrlOption = None, api_key: ApiKeyOption = None) -> None:
    """Show what is set, as JSON."""
    with connected(url, api_key) as client:
        found = client.call("GET", _PATH)
    say(json_escaped(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode()))


@app.command("set")
def set_(
    pii: Annotated[
        str | None,
        typer.Option(
            show_default=False, help="What becomes of personal data: flag, mask or refuse."
        ),
    ] = None,
    tags: Annotated[
        Path | None,
        typer.Option(
            show_default=False,
            exists=True,
            dir_okay=False,
            help='A JSON file of rules: [{"tag": "gdpr", "agent": "crm-*"}].',
        ),
    ] = None,
    no_tags: Annotated[bool, typer.Option("--no-tags", help="Have no rules any more.")] = False,
    erasable: Annotated[
        bool | None,
        typer.Option(
            show_default=False,
            help="Store what events say of a user so that `tocsin erase` can destroy it.",
        ),
    ] = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Change it; what is not given stays. The key needs the scope admin."""
    if tags and no_tags:
        raise Failure("give --tags or --no-tags, but not both", USAGE)
    rules = _rules(tags) if tags else [] if no_tags else None
    with connected(url, api_key) as client:
        found = client.call("GET", _PATH)
        wanted = {name: found[name] for name in _SETTINGS if name in found}
        given = {"pii": pii, "tags": rules, "erasable": erasable}
        wanted |= {name: value for name, value in given.items() if value is not None}
        client.call("PUT", _PATH, body=wanted)
    note("It is set: it holds for what comes in from half a minute on.")


def _rules(path: Path) -> Any:
    try:
        return orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise Failure(f"{path}: {error}", USAGE) from error
