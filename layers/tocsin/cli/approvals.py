"""``tocsin approvals``: see what waits for a person, and answer."""

from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from tocsin.cli._connection import ApiKeyOption, UrlOption, connected
from tocsin.cli._output import complain, escaped, json_escaped, note, say, show_table

if TYPE_CHECKING:
    from tocsin.client import Approval

__all__ = ["app"]

_SHOWN_CHARS = 60
_TOLD = (
    *("approval.created", "approval.reminder", "approval.linked", "approval.expired"),
    *("approval.resolved", "approval.resolved_in_bulk", "approval.rule_removed"),
)

app = typer.Typer(no_args_is_help=True, help="See which calls wait for a person, and answer.")

IdArgument = Annotated[str, typer.Argument(help="The approval's id, as the list shows it.")]
ReasonOption = Annotated[str, typer.Option(help="Why; whoever asked is told.")]


@app.command("list")
def list_(url: UrlOption = None, api_key: ApiKeyOption = None) -> None:
    """List the calls that wait, oldest first."""
    with connected(url, api_key) as client:
        found = client.approvals()
    if not found:
        say("nothing waits for an approval")
        return
    show_table(("approval", "agent", "what", "why", "until"), map(_row, found))


@app.command()
def show(id: IdArgument, url: UrlOption = None, api_key: ApiKeyOption = None) -> None:
    """Show one approval, whole, as JSON."""
    with connected(url, api_key) as client:
        fields = dict(client.approval(id).fields)
    say(json_escaped(orjson.dumps(fields, option=orjson.OPT_INDENT_2).decode()))


@app.command()
def approve(
    id: IdArgument,
    persist: Annotated[
        bool,
        typer.Option("--persist", help="Always approve exactly this call of this agent."),
    ] = False,
    reason: ReasonOption = "",
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Let the call be made. The key needs the scope approve, and must not be the one that asked."""
    with connected(url, api_key) as client:
        done = client.resolve(id, approved=True, persist=persist, reason=reason)
    note(f"{escaped(done.id)} is {escaped(done.status)}.")


@app.command()
def deny(
    id: IdArgument, reason: ReasonOption = "", url: UrlOption = None, api_key: ApiKeyOption = None
) -> None:
    """Don't let the call be made."""
    with connected(url, api_key) as client:
        done = client.resolve(id, approved=False, reason=reason)
    note(f"{escaped(done.id)} is {escaped(done.status)}.")


@app.command()
def links(id: IdArgument, url: UrlOption = None, api_key: ApiKeyOption = None) -> None:
    """Print links to both answers, for people without a key: whoever has one can give it."""
    with connected(url, api_key) as client:
        made = client.approval_links(id)
    say(f"approve  {escaped(made.approve_url)}")
    say(f"deny     {escaped(made.deny_url)}")
    note(f"They work until {escaped(made.expires_at)}, or until one of them is used.")


@app.command()
def watch(url: UrlOption = None, api_key: ApiKeyOption = None) -> None:
    """Print what waits now, and then each change, a line each. The key needs the scope read."""
    with connected(url, api_key) as client:
        for approval in client.approvals():
            say("  ".join(("waits", *_row(approval))))
        for event in client.stream(types=_TOLD, on_drop=lambda reason: complain(str(reason))):
            say(_line(event.type, event.fields))


def _row(approval: "Approval") -> tuple[str, ...]:
    fields = approval.fields
    what = " ".join(str(fields.get(name) or "") for name in ("tool", "command")).strip()
    return (
        escaped(approval.id),
        _short(str(fields.get("agent") or "")),
        _short(what),
        _short(str(fields.get("message") or "")),
        escaped(approval.expires_at),
    )


def _line(type: str, fields: Any) -> str:
    request = fields.get("request") or {}
    parts = (
        type.removeprefix("approval."),
        request.get("approval_id") or request.get("rule"),
        fields.get("agent_id"),
        " ".join(str(request.get(name) or "") for name in ("tool", "command")).strip(),
        request.get("resolution"),
        request.get("resolved_by") or request.get("removed_by") or request.get("linked_by"),
    )
    return "  ".join(_short(str(part)) for part in parts if part)


def _short(text: str) -> str:
    shown = escaped(text)
    return shown if len(shown) <= _SHOWN_CHARS else shown[: _SHOWN_CHARS - 1] + "…"
