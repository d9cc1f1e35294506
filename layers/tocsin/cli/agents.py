"""``tocsin agents``: list agents; create, describe and retire one."""

from typing import TYPE_CHECKING, Annotated

import typer

from tocsin.cli._connection import ApiKeyOption, UrlOption, connected
from tocsin.cli._failure import USAGE, Failure
from tocsin.cli._output import escaped, note, say, show_json, show_table
from tocsin.cli.sessions import JsonOption, LimitOption, ReasonOption, figures
from tocsin.domain.keys import Scope

if TYPE_CHECKING:
    from tocsin.client import AgentOptions

__all__ = ["app"]

app = typer.Typer(
    invoke_without_command=True, help="List agents, the newest seen first; create and retire them."
)

IdArgument = Annotated[str, typer.Argument(help="The agent's id: what events name as agentId.")]
NameOption = Annotated[str | None, typer.Option(help="What it is called.")]
DescriptionOption = Annotated[str | None, typer.Option(help="What it is for.")]
FrameworkOption = Annotated[str | None, typer.Option(help="What it is made with.")]
LabelsOption = Annotated[
    list[str] | None, typer.Option("--label", help="As in team=payments; all that it shall have.")
]


@app.callback()
def agents(
    context: typer.Context,
    limit: LimitOption = 50,
    json: JsonOption = False,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """List agents, the newest seen first; create and retire them."""
    if context.invoked_subcommand:
        return
    with connected(url, api_key) as client:
        found = client.agents(limit)
    if json:
        show_json(each.fields for each in found)
        return
    if not found:
        say("there are no agents yet")
        return
    names = ("agent", "status", "last seen", "calls", "denied", "errors", "tokens", "cost")
    show_table(names, ((each.id, each.status, *figures(each.fields)) for each in found))


@app.command()
def create(
    id: IdArgument,
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="Make it a key that may do this; may be given more than once."),
    ] = None,
    name: NameOption = None,
    description: DescriptionOption = None,
    framework: FrameworkOption = None,
    label: LabelsOption = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Create an agent, with `--scope` with a key of its own, printed once. Needs the scope admin.

    Example: `tocsin agents create claude --scope ingest --label team=payments`
    """
    said = _said(name, description, framework, label)
    with connected(url, api_key) as client:
        done = client.create_agent(id, scope or (), **said)
    note(f"{escaped(done.id)} is created.")
    if done.key and done.key.token:
        note(f"Its key {escaped(done.key.id)} is shown only now:")
        say(escaped(done.key.token))


@app.command()
def update(
    id: IdArgument,
    name: NameOption = None,
    description: DescriptionOption = None,
    framework: FrameworkOption = None,
    label: LabelsOption = None,
    active: Annotated[bool, typer.Option("--active", help="Bring a retired one back.")] = False,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Describe an agent; what is not given stays. Needs the scope admin."""
    said = _said(name, description, framework, label)
    with connected(url, api_key) as client:
        done = client.update_agent(id, bring_back=active, **said)
    note(f"{escaped(done.id)} is {escaped(done.status)}.")


@app.command()
def retire(
    id: IdArgument, reason: ReasonOption = "", url: UrlOption = None, api_key: ApiKeyOption = None
) -> None:
    """Have all calls of an agent denied. Needs the scope admin."""
    with connected(url, api_key) as client:
        done = client.retire_agent(id, reason)
    note(f"{escaped(done.id)} is {escaped(done.status)}.")


def _said(
    name: str | None, description: str | None, framework: str | None, labels: list[str] | None
) -> "AgentOptions":
    said: AgentOptions = {}
    if name is not None:
        said["name"] = name
    if description is not None:
        said["description"] = description
    if framework is not None:
        said["framework"] = framework
    if labels:
        said["labels"] = dict(map(_label, labels))
    return said


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise Failure(f"--label {escaped(text)}: write it as name=value", USAGE)
    return name, value
