"""``tocsin budgets``: what agents, users, sessions and the org may use."""

from math import isfinite
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from tocsin.cli._connection import ApiKeyOption, UrlOption, connected
from tocsin.cli._failure import USAGE, Failure
from tocsin.cli._output import escaped, json_escaped, note, say, show_json, show_table
from tocsin.cli.sessions import JsonOption
from tocsin.domain.budgets import SUBJECTS, BudgetAction

if TYPE_CHECKING:
    from tocsin.client import Budget, BudgetOptions

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="See, set and remove budgets.")

IdArgument = Annotated[str, typer.Argument(help="The budget's id, as the list shows it.")]


@app.command("list")
def list_(json: JsonOption = False, url: UrlOption = None, api_key: ApiKeyOption = None) -> None:
    """List the org's budgets, and what was used of each; at most a minute late."""
    with connected(url, api_key) as client:
        found = client.budgets()
    if json:
        show_json(each.fields for each in found)
        return
    if not found:
        say("there are no budgets yet")
        return
    show_table(("budget", "of", "used", "then", "status", "name"), map(_row, found))


@app.command()
def show(id: IdArgument, url: UrlOption = None, api_key: ApiKeyOption = None) -> None:
    """Show one budget, whole, as JSON."""
    with connected(url, api_key) as client:
        fields = client.budget(id).fields
    say(json_escaped(orjson.dumps(fields, option=orjson.OPT_INDENT_2).decode()))


@app.command("set")
def set_(
    limit: Annotated[
        list[str],
        typer.Option(
            help="As in cost_usd_per_day=5: cost_usd, tokens or calls, per_day or per_month; may "
            "be given more than once."
        ),
    ],
    id: Annotated[
        str, typer.Argument(help="Which one to change, all of it.", show_default="a new one")
    ] = "",
    agent: Annotated[str, typer.Option(help="Whose it is: this agent's.")] = "",
    user: Annotated[str, typer.Option(help="This user's.")] = "",
    session: Annotated[str, typer.Option(help="This session's; of none of these: the org's.")] = "",
    action: Annotated[
        BudgetAction, typer.Option(help="What follows when it is used up.")
    ] = BudgetAction.WARN,
    name: Annotated[str, typer.Option(help="What it is called.")] = "",
    disabled: Annotated[bool, typer.Option("--disabled", help="Keep it, and ignore it.")] = False,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Make a budget, or change one. Needs the scope admin.

    Example: `tocsin budgets set --agent claude --limit cost_usd_per_day=5 --action block`
    """
    limits = dict(map(_limit, limit))
    said: BudgetOptions = {"action": action.value, "name": name, "enabled": not disabled}
    if agent:
        said["agent_id"] = agent
    if user:
        said["user_id"] = user
    if session:
        said["session_id"] = session
    with connected(url, api_key) as client:
        if id:
            done = client.update_budget(id, limits, **said)
        else:
            done = client.create_budget(limits, **said)
    note(f"The budget is {escaped(done.status)}:")
    say(escaped(done.id))


@app.command()
def remove(id: IdArgument, url: UrlOption = None, api_key: ApiKeyOption = None) -> None:
    """Remove a budget. Needs the scope admin."""
    with connected(url, api_key) as client:
        client.remove_budget(id)
    note(f"The budget {escaped(id)} is removed.")


def _limit(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        number = int(value) if value.isdecimal() else float(value)
    except ValueError:
        number = float("nan")
    if not isfinite(number):
        raise Failure(f"--limit {escaped(text)}: write it as cost_usd_per_day=5", USAGE)
    return name.replace("-", "_"), number


def _row(budget: "Budget") -> tuple[str, ...]:
    fields = budget.fields
    of = str(fields["of"])
    subject = f"{of} {fields[f'{of}_id']}" if of in SUBJECTS else of
    used = ", ".join(_used(budget, name, most) for name, most in budget.limits.items())
    return budget.id, subject, used, budget.action, budget.status, str(fields["name"])


def _used(budget: "Budget", name: str, most: float) -> str:
    measure, _, period = name.rpartition("_per_")
    used = budget.fields["usage"].get(period, {}).get(measure, 0)
    return f"{used:,} of {most:,} {name}"
