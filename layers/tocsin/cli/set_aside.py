"""``tocsin set-aside``: what the pipeline passed over because no retry could make it readable."""

from typing import Annotated

import typer

from tocsin.cli._administration import LOCAL_ORG, OrgOption, administration, moment
from tocsin.cli._output import say, show_table

__all__ = ["set_aside"]


def set_aside(
    org: OrgOption = LOCAL_ORG,
    all_orgs: Annotated[bool, typer.Option("--all", help="Of every org.")] = False,
) -> None:
    """List the journal items that could not be sealed, and why.

    Exit code 0 also when there are some; they stay in the journal until its retention ends.
    """
    with administration() as admin:
        orgs = [each.id for each in admin.tenants.all()] if all_orgs else [org]
        items = [item for each in orgs for item in admin.set_aside.all(each)]
    if not items:
        say("nothing is set aside")
        return
    show_table(
        ("org", "batch", "since", "reason"),
        ((item.org, item.batch_id, moment(item.at_ms), item.reason) for item in items),
    )
