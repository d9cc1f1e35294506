"""``tocsin policy``: what an org's agents may call."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from tocsin.cli._connection import ApiKeyOption, UrlOption, connected
from tocsin.cli._failure import REFUSED, USAGE, Failure
from tocsin.cli._output import escaped, note, say, show_table

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="See, test and change what agents may call.")


@app.command()
def show(
    version: Annotated[
        int | None,
        typer.Option(min=0, help="An earlier version; 0: what comes with Tocsin."),
    ] = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Print the org's policies, in Cedar."""
    with connected(url, api_key) as client:
        found = client.policies(version)
    note(f"Version {found.version}, {found.fields['count']} policies.")
    say("\n".join(map(escaped, found.text.split("\n"))))


@app.command()
def put(
    file: Annotated[Path, typer.Argument(help="The policies, in Cedar.")],
    version: Annotated[
        int | None,
        typer.Option(min=0, help="The version that they take the place of: else whichever it is."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check them.")] = False,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Make a file's policies the org's. The key needs the scope admin."""
    text = _text(file)
    with connected(url, api_key) as client:
        if dry_run:
            note(f"{client.check_policies(text)} policies hold up; nothing is changed.")
            return
        done = client.set_policies(text, version)
    count = done.fields["count"]
    note(f"Version {done.version}: {count} policies; in force within half a minute.")


@app.command()
def test(
    calls: Annotated[
        Path,
        typer.Argument(help='A JSON list of calls: {"tool", "params", "agent", "expect", …}.'),
    ],
    policies: Annotated[
        Path | None,
        typer.Option(help="Policies in place of the org's.", show_default=False),
    ] = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Say what is decided of calls, and whether that is as each expects.

    Example of a call: `{"tool": "exec", "params": {"command": "rm -rf x"}, "expect": "ask"}`

    Exit codes: 0 all as expected; 1 one is not, or Tocsin refused; 2 wrong usage or settings;
    4 Tocsin is out of reach.
    """
    try:
        asked = orjson.loads(_text(calls))
    except orjson.JSONDecodeError as error:
        raise Failure(f"{calls} is not JSON: {error}", USAGE) from error
    if not isinstance(asked, list):
        raise Failure(f"{calls} is not a JSON list of calls", USAGE)
    text = None if policies is None else _text(policies)
    with connected(url, api_key) as client:
        found = client.test_policies(asked, text)
    show_table(("tool", "decision", "expected", "by"), map(_row, found))
    if failed := sum(not each.get("ok", True) for each in found):
        raise Failure(f"{failed} of {len(found)} are not as expected", REFUSED)


def _row(result: Mapping[str, Any]) -> tuple[str, ...]:
    expected = result.get("expect", "")
    if not result.get("ok", True):
        expected = f"{expected} !"
    return result["tool"], result["decision"], expected, ", ".join(result["matched_policies"])


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, ValueError) as error:
        raise Failure(f"can't read {file}: {error}", USAGE) from error
