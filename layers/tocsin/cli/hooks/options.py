"""Options that a hook's command and its installation have in common."""

from typing import Annotated

import typer

__all__ = ["AgentOption", "GrantOption"]

AgentOption = Annotated[
    str,
    typer.Option(
        show_default=False, help="The agent that the product is here; else the product's name."
    ),
]
GrantOption = Annotated[
    bool,
    typer.Option(
        "--grant", help="What policies allow, the product does not ask its user about either."
    ),
]
