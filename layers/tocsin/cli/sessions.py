"""``tocsin sessions``: see agents' sessions, and suspend, resume or complete one."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from tocsin.cli._connection import ApiKeyOption, UrlOption, connected
from tocsin.cli._output import escaped, note, say, show_json, show_table

__all__ = ["JsonOption", "LimitOption", "ReasonOption", "app", "figures"]

app = typer.Typer(no_args_is_help=True, help="See agents' sessions, and suspend them.")

IdArgument = Annotated[str, typer.Argument(help="The session's id, as the list shows it.")]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print each as a JSON object on one line.")
]
LimitOption = Annotated[int, typer.Option(min=1, max=1_000, help="How many.")]
ReasonOption = Annotated[str, typer.Option(help="Why; it stands in the event that tells of it.")]


@app.command("list")
def list_(
    limit: LimitOption = 50,
    json: JsonOption = False,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """List sessions, the newest seen first."""
    with connected(url, api_key) as client:
        found = client.sessions(limit)
    if json:
        show_json(each.fields for each in found)
        return
    if not found:
        say("there are no sessions yet")
        return
    names = ("session", "status", "last seen", "calls", "denied", "errors", "tokens", "cost")
    show_table(names, ((each.id, each.status, *figures(each.fields)) for each in found))


@app.command()
def suspend(
    id: IdArgument, reason: ReasonOption = "", url: UrlOption = None, api_key: ApiKeyOption = None
) -> None:
    """Have the session's calls denied, and its senders told. The key needs the scope approve."""
    _set(id, "suspend", reason, url, api_key)


@app.command()
def resume(
    id: IdArgument, reason: ReasonOption = "", url: UrlOption = None, api_key: ApiKeyOption = None
) -> None:
    """Let the session go on."""
    _set(id, "resume", reason, url, api_key)


@app.command()
def complete(
    id: IdArgument, reason: ReasonOption = "", url: UrlOption = None, api_key: ApiKeyOption = None
) -> None:
    """Say that the session is over."""
    _set(id, "complete", reason, url, api_key)


def _set(id: str, verb: str, reason: str, url: str | None, api_key: str | None) -> None:
    with connected(url, api_key) as client:
        done = getattr(client, f"{verb}_session")(id, reason)
    note(f"{escaped(done.id)} is {escaped(done.status)}.")


def figures(each: Mapping[str, Any]) -> tuple[str, ...]:
    """Return when a session or an agent was last seen, and what it did."""
    return (
        str(each["last_seen_at"] or "never"),
        f"{each['total_requests']:,}",
        f"{each['denials']:,}",
        f"{each['error_count']:,}",
        f"{each['total_tokens']:,}",
        f"${each['total_cost_usd']:,.4f}",
    )
