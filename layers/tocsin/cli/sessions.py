"""``tocsin sessions``: see agents' sessions, and suspend, resume or complete one."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from tocsin.cli._connection import ApiKeyOption, UrlOption, connected
from tocsin.cli._output import escaped, note, say, show_table

__all__ = ["app", "figures"]

_PATH = "/api/v1/sessions"

app = typer.Typer(no_args_is_help=True, help="See agents' sessions, and suspend them.")

IdArgument = Annotated[str, typer.Argument(help="The session's id, as the list shows it.")]
LimitOption = Annotated[int, typer.Option(min=1, max=1_000, help="How many.")]
ReasonOption = Annotated[str, typer.Option(help="Why; it stands in the event that tells of it.")]


@app.command("list")
def list_(limit: LimitOption = 50, url: UrlOption = None, api_key: ApiKeyOption = None) -> None:
    """List sessions, the newest seen first."""
    with connected(url, api_key) as client:
        found = client.call("GET", _PATH, {"limit": str(limit)})["data"]
    if not found:
        say("there are no sessions yet")
        return
    names = ("session", "status", "last seen", "calls", "denied", "errors", "tokens", "cost")
    show_table(names, ((each["id"], each["status"], *figures(each)) for each in found))


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
        path = f"{_PATH}/{quote(id, safe='')}/{verb}"
        done = client.call("POST", path, body={"reason": reason})
    note(f"{escaped(done['id'])} is {escaped(done['status'])}.")


def figures(each: dict[str, Any]) -> tuple[str, ...]:
    """Return when a session or an agent was last seen, and what it did."""
    return (
        str(each["last_seen_at"]),
        f"{each['total_requests']:,}",
        f"{each['denials']:,}",
        f"{each['error_count']:,}",
        f"{each['total_tokens']:,}",
        f"${each['total_cost_usd']:,.4f}",
    )
