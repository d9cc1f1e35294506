"""The root command. What a subcommand needs is imported when it runs, so that all start fast."""

import os
import sys
from importlib import import_module
from typing import Annotated, Any, Final, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from tocsin import __version__
from tocsin.cli._extras import lacks
from tocsin.cli._failure import REFUSED, Failure
from tocsin.cli._output import OutputError, OutputGone, complain, finish, give_up, guard, say

__all__ = ["app", "main"]


_COMPLETING: Final = "_TOCSIN_COMPLETE"  # set by the scripts of typer that shells have
_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"]}


class _Lazy(NamedTuple):
    """Where a command is, and what the list of commands says about it."""

    module: str
    attribute: str
    help: str
    settings: dict[str, Any] = {}  # noqa: RUF012 (never changed)


_COMMANDS = {
    "up": _Lazy("tocsin.cli.up", "up", "Run the whole of Tocsin on this machine."),
    "send": _Lazy("tocsin.cli.send", "send", "Send events: one, a file, or standard input."),
    "tail": _Lazy("tocsin.cli.tail", "tail", "Watch events as they are sealed."),
    "verify": _Lazy("tocsin.cli.verify", "verify", "Check that nothing was changed."),
    "export": _Lazy("tocsin.cli.export", "export", "Write what a stranger needs to check a log."),
    "approvals": _Lazy(
        "tocsin.cli.approvals", "app", "See which calls wait for a person, and answer."
    ),
    "anomalies": _Lazy("tocsin.cli.anomalies", "app", "See what was unusual, and say what it was."),
    "detection": _Lazy("tocsin.cli.detection", "app", "See and change how the org is watched."),
    "privacy": _Lazy(
        "tocsin.cli.privacy", "app", "See and change what becomes of personal data; rules of tags."
    ),
    "erase": _Lazy("tocsin.cli.erase", "erase", "Have what is recorded of a user forgotten."),
    "report": _Lazy("tocsin.cli.report", "report", "Report by compliance tag and period."),
    "demo": _Lazy("tocsin.cli.demo.command", "demo", "Play something to look at."),
    "policy": _Lazy("tocsin.cli.policy", "app", "See, test and change what agents may call."),
    "sessions": _Lazy("tocsin.cli.sessions", "app", "See agents' sessions, and suspend them."),
    "agents": _Lazy("tocsin.cli.agents", "app", "List agents; create, describe and retire them."),
    "budgets": _Lazy("tocsin.cli.budgets", "app", "See, set and remove budgets."),
    "webhooks": _Lazy("tocsin.cli.webhooks", "app", "Have events sent to URLs, chats and mail."),
    "mcp": _Lazy(
        "tocsin.cli.mcp.command",
        "mcp",
        "Relay an MCP server and record its tool calls.",
        {"allow_interspersed_args": False},  # what follows COMMAND belongs to it
    ),
    "hook": _Lazy("tocsin.cli.hook", "hook", "Answer a hook of a coding agent."),
    "install": _Lazy("tocsin.cli.install", "install", "Set up a coding agent's hooks."),
    "doctor": _Lazy("tocsin.cli.doctor", "doctor", "Check a set-up, and say what to fix."),
    "proxy": _Lazy(
        "tocsin.cli.proxy.command", "proxy", "Be a base URL for LLM clients and record their calls."
    ),
    "pins": _Lazy("tocsin.cli.mcp.pins_command", "app", "See and pin what MCP servers' tools are."),
    "keys": _Lazy("tocsin.cli.keys", "app", "Create, list, rotate, revoke and delegate API keys."),
    "orgs": _Lazy("tocsin.cli.orgs", "app", "Create, limit, suspend, delete and export orgs."),
    "rebuild": _Lazy("tocsin.cli.rebuild", "rebuild", "Rebuild sessions, agents and costs."),
    "set-aside": _Lazy("tocsin.cli.set_aside", "set_aside", "List what could not be sealed."),
}


class _LazyGroup(TyperGroup):
    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, lazy in _COMMANDS.items():
            self.add_command(TyperCommand(name, help=lazy.help))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name = args[0]
        if name in _COMMANDS:
            self.commands[name] = _load(name, _COMMANDS[name])
        return super().resolve_command(ctx, args)


def _load(name: str, lazy: _Lazy) -> Any:
    try:
        found = getattr(import_module(lazy.module), lazy.attribute)
    except ModuleNotFoundError as error:
        lacks(f"`tocsin {name}`", error, "functions")
    wrapper = typer.Typer(add_completion=False, rich_markup_mode="markdown")
    wrapper.callback()(lambda: None)  # makes it a group, from which its commands can be taken
    if isinstance(found, typer.Typer):
        wrapper.add_typer(found, name=name)
    else:
        settings = _SETTINGS | lazy.settings
        wrapper.command(name, context_settings=settings)(found)
    return typer.main.get_group(wrapper).commands[name]


app = typer.Typer(
    cls=_LazyGroup,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings=_SETTINGS,
)


def _version(wanted: bool) -> None:
    if wanted:
        say(f"tocsin {__version__}")
        raise typer.Exit


@app.callback(
    epilog="`send`, `tail`, `verify`, `export`, `approvals`, `anomalies`, `detection`, `privacy`, "
    "`erase`, `report`, `demo`, `policy`, `sessions`, `agents`, `budgets`, `webhooks`, "
    "`keys delegate`, `install`, `doctor`, `mcp` and `proxy` "
    "find Tocsin by `--url` and `--api-key`, by `TOCSIN_URL` and `TOCSIN_API_KEY`, or by "
    "`$TOCSIN_HOME/local.json`, which `tocsin up` writes.\n\n"
    "Exit codes: 0 done, 1 Tocsin refused, 2 wrong usage or settings, 4 Tocsin is out of reach, "
    "130 interrupted."
)
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """The real-time, tamper-evident event stream for AI agents."""


def main() -> None:
    """Run the command line; an expected failure is told in one line, without a traceback."""
    guard()
    try:
        status = _status()
        finish()
    except OutputGone:
        give_up()
        status = 0
    except OutputError as error:
        give_up()
        complain(f"can't write to standard output: {error.strerror}")
        status = REFUSED
    sys.exit(status)


def _status() -> int | str | None:
    try:
        app(prog_name="tocsin")
    except SystemExit as end:
        return end.code
    except Failure as failure:
        if _COMPLETING not in os.environ:  # else a shell asks, in the middle of a line
            complain(str(failure))
        return failure.exit_code
    except KeyboardInterrupt:
        return 130
    return 0
