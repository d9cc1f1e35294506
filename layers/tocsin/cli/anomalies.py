"""``tocsin anomalies``: see what was unusual, and say what it was."""

from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from tocsin.cli._connection import ApiKeyOption, UrlOption, connected
from tocsin.cli._failure import USAGE, Failure
from tocsin.cli._output import escaped, json_escaped, note, say, show_table

if TYPE_CHECKING:
    from tocsin.client import Anomaly

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="See what was unusual, and say what it was.")

IdArgument = Annotated[str, typer.Argument(help="The anomaly's id, as the list shows it.")]
ReasonOption = Annotated[str, typer.Option(help="Why; it stands in the event that tells of it.")]
OneOption = Annotated[str | None, typer.Option(show_default=False, help="Only these.")]


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 50,
    status: OneOption = None,
    kind: OneOption = None,
    agent: OneOption = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """List what was unusual, the newest first."""
    with connected(url, api_key) as client:
        found = client.anomalies(limit, status=status, kind=kind, agent_id=agent)
    if not found:
        say("there are no such anomalies" if status or kind or agent else "nothing was unusual yet")
        return
    show_table(("anomaly", "when", "severity", "kind", "of", "what", "status"), map(_row, found))


@app.command()
def show(id: IdArgument, url: UrlOption = None, api_key: ApiKeyOption = None) -> None:
    """Show one, whole, as JSON."""
    with connected(url, api_key) as client:
        fields = dict(client.anomaly(id).fields)
    say(json_escaped(orjson.dumps(fields, option=orjson.OPT_INDENT_2).decode()))


@app.command()
def acknowledge(
    id: IdArgument, reason: ReasonOption = "", url: UrlOption = None, api_key: ApiKeyOption = None
) -> None:
    """Say that it was seen. The key needs the scope approve."""
    with connected(url, api_key) as client:
        _said(client.acknowledge(id, reason))


@app.command()
def snooze(
    id: IdArgument,
    seconds: Annotated[
        int | None, typer.Option(min=60, show_default=False, help="For how long.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(show_default=False, help="Until this time (ISO 8601, UTC).")
    ] = None,
    reason: ReasonOption = "",
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Have no more alerts like it for a while: 30 days at most."""
    if (seconds is None) == (until is None):
        raise Failure("give either --seconds or --until", USAGE)
    with connected(url, api_key) as client:
        _said(client.snooze(id, reason, seconds=seconds, until=until))


@app.command("false-positive")
def false_positive(
    id: IdArgument, reason: ReasonOption = "", url: UrlOption = None, api_key: ApiKeyOption = None
) -> None:
    """Have alerts like it only where more is seen than was."""
    with connected(url, api_key) as client:
        _said(client.false_positive(id, reason))


def _said(anomaly: "Anomaly") -> None:
    until = anomaly.fields.get("until")
    words = escaped(anomaly.status.replace("_", " "))
    note(f"{escaped(anomaly.id)} is {words}{f' until {escaped(str(until))}' if until else ''}.")


def _row(anomaly: "Anomaly") -> tuple[str, ...]:
    subject = anomaly.fields.get("subject") or {}
    names = [str(value) for name, value in subject.items() if name != "kind"]
    return (
        anomaly.id,
        anomaly.detected_at,
        anomaly.severity,
        anomaly.kind,
        " of ".join(names)[:60],
        anomaly.description[:80],
        anomaly.status,
    )
