"""``tocsin hook``: the command as typer has it. See :mod:`tocsin.cli.hooks.shim`, which runs it."""

from enum import StrEnum
from typing import Annotated

import typer

from tocsin.cli.hooks.options import AgentOption, GrantOption
from tocsin.cli.hooks.shim import DEFAULT_SECONDS, Options, run

__all__ = ["Product", "Records", "hook"]


class Product(StrEnum):
    """A coding agent whose hooks are known."""

    CLAUDE_CODE = "claude-code"
    CODEX = "codex"
    CURSOR = "cursor"
    GEMINI_CLI = "gemini-cli"


class Records(StrEnum):
    """What becomes of an event that can't be recorded."""

    OPEN = "open"
    CLOSED = "closed"


def hook(
    product: Annotated[Product, typer.Argument(help="The coding agent that runs the hook.")],
    url: Annotated[
        str,
        typer.Option(show_default=False, help="Tocsin's URL; else TOCSIN_URL, or the only one."),
    ] = "",
    agent: AgentOption = "",
    grant: GrantOption = False,
    seconds: Annotated[
        int,
        typer.Option(
            min=1, max=3600, help="How long to wait for a person: less than the hook's time-out."
        ),
    ] = DEFAULT_SECONDS,
    records: Annotated[
        Records,
        typer.Option(help="Whether the product goes on with what could not be recorded."),
    ] = Records.OPEN,
) -> None:
    """Answer one hook of a coding agent: its payload on standard input, the answer on output.

    A call that waits for an answer is denied, with exit code 2 and the reason on standard error,
    by policy, by a person, and whenever anything goes wrong. Where policies ask, the command waits
    for a person. The key is `TOCSIN_API_KEY`, or the one that `tocsin install` has kept.

    Exit codes: 0 answered, 1 not recorded, 2 the call is not made.
    """
    options = Options(
        product=product.value,
        url=url,
        agent=agent,
        grant=grant,
        seconds=seconds,
        closed_records=records is Records.CLOSED,
    )
    raise typer.Exit(run(options))
