"""``tocsin webhooks``: have events sent somewhere, and see what became of them."""

import time
from typing import TYPE_CHECKING, Annotated, Any, Final

import orjson
import typer

from tocsin.cli._connection import ApiKeyOption, UrlOption, connected
from tocsin.cli._failure import NOT_IN_TIME, USAGE, Failure
from tocsin.cli._output import escaped, json_escaped, note, say, show_json, show_table
from tocsin.cli._times import check_time
from tocsin.cli.sessions import JsonOption, LimitOption
from tocsin.domain.detect.kinds import Severity
from tocsin.domain.endpoints import Format, Order

if TYPE_CHECKING:
    from tocsin.client import Client, Delivery, Webhook, WebhookOptions

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, help="Have events sent to URLs, chats and mail; see what became of them."
)

_LOOKED_AT: Final = 100  # of the newest deliveries, for a test's
_LOOK_SECONDS: Final = 0.5
_WORDS: Final = [severity.word for severity in Severity]

IdArgument = Annotated[str, typer.Argument(help="The endpoint's id, as the list shows it.")]
TypeOption = Annotated[
    list[str] | None,
    typer.Option("--type", help="Only these event types; may be given more than once."),
]
AgentOption = Annotated[str | None, typer.Option(help="Only events of this agent.")]
ToolOption = Annotated[str | None, typer.Option(help="Only events of this tool.")]
ActionOption = Annotated[str | None, typer.Option(help="Only events with this action.")]
SeverityOption = Annotated[
    str | None, typer.Option(help=f"Of anomalies only these and worse: {', '.join(_WORDS)}.")
]
DescriptionOption = Annotated[str | None, typer.Option(help="What it is for.")]
OrderOption = Annotated[
    Order | None, typer.Option(help="With strict nothing passes an event that fails.")
]
EscalationOption = Annotated[
    bool | None,
    typer.Option("--escalation/--no-escalation", help="Send it reminders of approvals."),
]
LinksOption = Annotated[
    bool | None, typer.Option("--links/--no-links", help="With links that answer approvals.")
]
TokenOption = Annotated[
    str | None,
    typer.Option(
        envvar="TOCSIN_WEBHOOK_TOKEN",
        show_default=False,
        help="What the receiving service asks for (splunk, pagerduty). Better in the variable.",
    ),
]
SecretOption = Annotated[
    str | None,
    typer.Option(
        envvar="TOCSIN_WEBHOOK_SECRET",
        show_default=False,
        help="A whsec_ of your own. Better in the variable.",
    ),
]
FromOption = Annotated[
    int | None, typer.Option("--from", min=1, show_default=False, help="Begin with this seq.")
]
SinceOption = Annotated[
    str | None, typer.Option(show_default=False, help="Begin at this time (ISO 8601), or event id.")
]


@app.command("list")
def list_(json: JsonOption = False, url: UrlOption = None, api_key: ApiKeyOption = None) -> None:
    """List the org's endpoints, and how far each is."""
    with connected(url, api_key) as client:
        found, unreadable = client.webhooks(), client.unreadable_webhooks()
    for id, reason in unreadable.items():
        note(f"{escaped(id)} can't be read ({escaped(reason)}), and is sent nothing: remove it")
    if json:
        show_json(each.fields for each in found)
        return
    if not found:
        say("there are no endpoints yet")
        return
    names = ("endpoint", "format", "to", "status", "through", "failing", "given up", "for")
    show_table(names, map(_row, found))


@app.command()
def add(
    to: Annotated[str, typer.Argument(help="An https:, mailto: or s3: URL.")],
    format: Annotated[Format, typer.Option(help="What is sent.")] = Format.TOCSIN,
    type: TypeOption = None,
    agent: AgentOption = None,
    tool: ToolOption = None,
    action: ActionOption = None,
    severity: SeverityOption = None,
    description: DescriptionOption = None,
    order: OrderOption = None,
    escalation: EscalationOption = None,
    links: LinksOption = None,
    token: TokenOption = None,
    secret: SecretOption = None,
    from_seq: FromOption = None,
    since: SinceOption = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Have events sent to a URL, from now on; its secret is printed once. Needs the scope admin.

    Example: `tocsin webhooks add https://hooks.example.com/tocsin --type approval.created`
    """
    said = _said(type, agent, tool, action, severity, description, order, escalation, links, token)
    said["format"] = format.value
    with connected(url, api_key) as client:
        made = client.create_webhook(
            to, secret=secret, from_seq=from_seq, since=_time(since), **said
        )
    note(f"The endpoint is {escaped(made.status)}:")
    say(escaped(made.id))
    _tell_secret(made)


@app.command()
def show(id: IdArgument, url: UrlOption = None, api_key: ApiKeyOption = None) -> None:
    """Show one endpoint, whole, as JSON."""
    with connected(url, api_key) as client:
        fields = client.webhook(id).fields
    say(json_escaped(orjson.dumps(fields, option=orjson.OPT_INDENT_2).decode()))


@app.command()
def update(
    id: IdArgument,
    to: Annotated[
        str | None, typer.Option(show_default=False, help="Another URL of the same kind.")
    ] = None,
    type: TypeOption = None,
    agent: AgentOption = None,
    tool: ToolOption = None,
    action: ActionOption = None,
    severity: SeverityOption = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="End all filters that are not given.")
    ] = False,
    description: DescriptionOption = None,
    order: OrderOption = None,
    escalation: EscalationOption = None,
    links: LinksOption = None,
    token: TokenOption = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Change an endpoint; what is not given stays. Needs the scope admin."""
    said = _said(type, agent, tool, action, severity, description, order, escalation, links, token)
    if everything:
        none: WebhookOptions = {
            **{"types": None, "agent_id": None, "tool_name": None},
            **{"action": None, "severity": None},
        }
        said = {**none, **said}
    with connected(url, api_key) as client:
        _tell(client.update_webhook(id, to, **said))


@app.command()
def pause(
    id: IdArgument,
    reason: Annotated[str, typer.Option(help="Why; it is shown with the endpoint.")] = "",
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Have nothing sent until it is resumed. Needs the scope admin."""
    with connected(url, api_key) as client:
        _tell(client.pause_webhook(id, reason))


@app.command()
def resume(
    id: IdArgument,
    skip_missed: Annotated[
        bool, typer.Option("--skip-missed", help="Leave out what was not sent so far.")
    ] = False,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Have it sent what it was not, at once. Needs the scope admin."""
    with connected(url, api_key) as client:
        _tell(client.resume_webhook(id, skip_missed=skip_missed))


@app.command()
def rotate(
    id: IdArgument,
    overlap_seconds: Annotated[
        int | None,
        typer.Option(
            min=0, show_default="a day", help="How long the secret before it signs as well."
        ),
    ] = None,
    secret: SecretOption = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Sign with a new secret, which is printed once. Needs the scope admin."""
    with connected(url, api_key) as client:
        done = client.rotate_webhook(id, overlap_seconds, secret=secret)
    _tell_secret(done)


@app.command()
def test(
    id: IdArgument,
    timeout: Annotated[
        float, typer.Option(min=0, help="How many seconds to wait for its delivery.")
    ] = 60,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Have an event sent to it alone, and wait for what becomes of that. Needs the scope admin."""
    with connected(url, api_key) as client:
        event_id = client.test_webhook(id)
        note(f"{escaped(event_id)} is on its way.")
        done = _awaited(client, id, event_id, time.monotonic() + timeout)
    if done is None:
        raise Failure(
            f"it was not tried within {timeout:g} seconds: `tocsin webhooks deliveries "
            f"{escaped(id)}` will have it",
            NOT_IN_TIME,
        )
    said = f"{_answer(done)} after {done.latency_ms:,} ms"
    if done.outcome != "delivered":
        raise Failure(f"it is not delivered: {said}")
    say(f"delivered: {said}")


@app.command()
def remove(id: IdArgument, url: UrlOption = None, api_key: ApiKeyOption = None) -> None:
    """Remove an endpoint. Needs the scope admin."""
    with connected(url, api_key) as client:
        client.remove_webhook(id)
    note(f"The endpoint {escaped(id)} is removed.")


@app.command()
def replay(
    id: IdArgument,
    from_seq: FromOption = None,
    to_seq: Annotated[
        int | None, typer.Option("--to", min=1, show_default="the last", help="End with this seq.")
    ] = None,
    since: SinceOption = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Have it sent a part of the ledger once more. Needs the scope admin."""
    if (from_seq is None) == (since is None):
        raise Failure("give either --from or --since", USAGE)
    with connected(url, api_key) as client:
        fields = client.replay_webhook(id, from_seq, to_seq, since=_time(since)).fields
    sent = fields["replay"]
    note(f"What it wants of {sent['next_seq']:,} to {sent['to_seq']:,} is sent once more.")
    if expired := fields.get("expired_through_seq"):
        note(f"The events through {expired:,} are older than the retention, and left out.")


@app.command()
def deliveries(
    id: IdArgument,
    limit: LimitOption = 50,
    json: JsonOption = False,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """List what was attempted, the newest first."""
    with connected(url, api_key) as client:
        _show_attempts(client.webhook_deliveries(id, limit), json, "nothing was sent yet")


@app.command("given-up")
def given_up(
    id: IdArgument,
    limit: LimitOption = 50,
    json: JsonOption = False,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """List the events that were given up: `replay` sends them once more."""
    with connected(url, api_key) as client:
        _show_attempts(client.webhook_given_up(id, limit), json, "nothing was given up")


def _said(
    types: list[str] | None,
    agent: str | None,
    tool: str | None,
    action: str | None,
    severity: str | None,
    description: str | None,
    order: Order | None,
    escalation: bool | None,
    links: bool | None,
    token: str | None,
) -> "WebhookOptions":
    if severity not in (None, *_WORDS):
        raise Failure(f"--severity is one of {', '.join(_WORDS)}", USAGE)
    given: dict[str, Any] = {
        "types": types or None,
        "agent_id": agent,
        "tool_name": tool,
        "action": action,
        "severity": severity,
        "description": description,
        "order": None if order is None else order.value,
        "escalation": escalation,
        "links": links,
        "token": token,
    }
    said: WebhookOptions = {}
    said.update({name: value for name, value in given.items() if value is not None})  # type: ignore[typeddict-item]
    return said


def _time(since: str | None) -> str | None:
    try:
        if since is not None:
            check_time(since)
    except ValueError as error:
        raise Failure(f"--since: {escaped(str(error))}", USAGE) from error
    return since


def _awaited(client: "Client", id: str, event_id: str, until: float) -> "Delivery | None":
    while True:
        for each in client.webhook_deliveries(id, _LOOKED_AT):
            if each.event_id == event_id:
                return each
        if time.monotonic() >= until:
            return None
        time.sleep(_LOOK_SECONDS)


def _tell(endpoint: "Webhook") -> None:
    note(f"{escaped(endpoint.id)} is {escaped(endpoint.status)}.")


def _tell_secret(endpoint: "Webhook") -> None:
    if endpoint.secret:
        note("Its secret is shown only now:")
        say(escaped(endpoint.secret))


def _answer(delivery: "Delivery") -> str:
    error = delivery.fields.get("error")
    return escaped(str(error or f"HTTP {delivery.status}"))


def _row(endpoint: "Webhook") -> tuple[str, ...]:
    fields = endpoint.fields
    return (
        endpoint.id,
        endpoint.format,
        endpoint.url[:60],
        endpoint.status,
        f"{fields['through_seq']:,}",
        f"{len(fields['failing']):,}",
        f"{fields['given_up']:,}",
        str(fields["description"])[:60],
    )


def _show_attempts(found: "list[Delivery]", json: bool, none: str) -> None:
    if json:
        show_json(each.fields for each in found)
        return
    if not found:
        say(none)
        return
    names = ("seq", "type", "attempt", "when", "outcome", "answer", "ms", "event")
    show_table(names, map(_attempt_row, found))


def _attempt_row(delivery: "Delivery") -> tuple[str, ...]:
    fields = delivery.fields
    return (
        f"{fields['seq']:,}",
        str(fields["type"]),
        str(delivery.attempt),
        str(fields["at"]),
        "given up" if fields["given_up"] else delivery.outcome,
        _answer(delivery),
        f"{delivery.latency_ms:,}",
        delivery.event_id,
    )
