"""``tocsin set-aside``: what the pipeline passed over because no retry could make it readable."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tocsin.cli._administration import LOCAL_ORG, OrgOption, administration, moment

__all__ = ["set_aside"]


def set_aside(
    org: OrgOption = LOCAL_ORG,
    all_orgs: Annotated[bool, typer.Option("--all", help="Of every org.")] = False,
) -> None:
    """List the journal items that could not be sealed, and why.

    Exit code 0 also when there are some; they stay in the journal until its retention ends.
    """
    with administration() as admin:
        orgs = [each.id for each in admin.orgs.all()] if all_orgs else [org]
        items = [item for each in orgs for item in admin.set_aside.all(each)]
    table = Table("org", "batch", "since", "reason", box=None, pad_edge=False)
    for item in items:
        table.add_row(item.org, item.batch_id, moment(item.at_ms), item.reason)
    Console().print(table if items else "nothing is set aside", highlight=False)
