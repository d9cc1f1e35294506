"""``tocsin rebuild``: derive sessions, agents, usage and costs from the ledger once more."""

from typing import Annotated

import typer

from tocsin.cli._administration import LOCAL_ORG, OrgOption, administration
from tocsin.cli._failure import REFUSED, Failure
from tocsin.cli._output import escaped, note
from tocsin.domain.errors import IntegrityError

__all__ = ["rebuild"]


def rebuild(
    org: OrgOption = LOCAL_ORG,
    drop_expired: Annotated[
        bool,
        typer.Option("--drop-expired", help="Do without what the journal has no events of."),
    ] = False,
) -> None:
    """Rebuild an org's sessions, agents, usage and costs from its ledger.

    The old ones are shown until the new ones are complete; events may come meanwhile. If it is
    interrupted, begin it again: it goes on where it was.

    Exit codes: 0 done; 1 the ledger can't be read, or events have expired; 4 DynamoDB is out of
    reach.
    """
    with administration() as admin:
        try:
            expired = 0 if drop_expired else admin.rebuild.expired(org, admin.retention())
            if expired:
                raise Failure(
                    f"{expired:,} events are older than the retention: what they count would be "
                    "lost. Add --drop-expired to do without it",
                    REFUSED,
                )
            last_seq = admin.rebuild(org)
        except IntegrityError as error:
            raise Failure(escaped(str(error)), REFUSED) from error
    note(f"The projections of org {escaped(org)} are rebuilt up to seq {last_seq:,}.")
