"""``tocsin orgs``: the tenants, directly in the tables."""

from pathlib import Path
from typing import Annotated

import typer

from tocsin.cli._administration import administration, moment
from tocsin.cli._failure import USAGE, Failure
from tocsin.cli._output import escaped, note, say, show_table
from tocsin.domain.limits import EVENTS_PER_MONTH, REVOCATION_SECONDS
from tocsin.domain.org import Org, OrgStatus

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Create, limit, suspend, delete and export orgs.")

_Id = Annotated[str, typer.Argument(metavar="ORG", help="The org's id.")]
_Quota = Annotated[int, typer.Option(min=0, help="How many events it may send a month.")]


@app.command("list")
def list_() -> None:
    """List every org, those that were deleted included."""
    with administration() as admin:
        orgs = admin.tenants.all()
    if not orgs:
        say("there are no orgs")
        return
    show_table(("org", "status", "since", "events a month"), map(_row, orgs))


@app.command()
def show(org: _Id) -> None:
    """Show an org: its status, its quota, what it has sent this month, its keys and its ledger."""
    with administration() as admin:
        found = admin.tenants.find(org)
        used = admin.quota.used(org, moment(admin.clock.now_ms())[:7])
        keys = sum(not key.ended(admin.clock.now_ms()) for key in admin.keys.all(org))
        head = admin.ledger.head(org)
    status = found.status + (f" since {moment(found.since_ms)}" if found.since_ms else "")
    say(f"org {escaped(found.id)} is {status}")
    if found.held_since_ms:
        say(f"it is under a legal hold since {moment(found.held_since_ms)}")
    say(f"{used:,} of {found.events_per_month:,} events are used this month")
    say(f"{keys:,} keys work; its ledger ends at seq {head.seq:,}")


@app.command()
def create(org: _Id, events_per_month: _Quota = EVENTS_PER_MONTH) -> None:
    """Create an org. Its id is 1 to 64 of a-z, 0-9 and -, and never one that was deleted.

    `tocsin keys create` creates one, too, with its first key.
    """
    with administration() as admin:
        admin.tenants.create(org, events_per_month)
    note(f"The org {org} is created: make a key for it with `tocsin keys create --org {org}`.")


@app.command()
def limit(
    org: _Id,
    events_per_month: Annotated[
        int, typer.Option(min=0, help="How many events it may send a month.")
    ],
) -> None:
    """Set an org's quota. It holds everywhere within 30 seconds."""
    with administration() as admin:
        admin.tenants.limit(org, events_per_month)
    note(f"The org {org} may send {events_per_month:,} events a month.")


@app.command()
def suspend(org: _Id) -> None:
    """Refuse all of an org's keys, everywhere within 60 seconds; its streams end.

    Nothing is lost: what was accepted is sealed, and approvals expire in their time.
    """
    with administration() as admin:
        admin.tenants.suspend(org)
    note(f"The org {org} is suspended, everywhere within {REVOCATION_SECONDS} seconds.")


@app.command()
def resume(org: _Id) -> None:
    """End an org's suspension, everywhere within 30 seconds. Its keys are as they were."""
    with administration() as admin:
        admin.tenants.resume(org)
    note(f"The org {org} is active.")


@app.command()
def hold(org: _Id) -> None:
    """Put an org under a legal hold: nothing of it is deleted or erased until it is released.

    Its events are copied into the archive, each object with a legal hold of S3's, before they
    expire. That takes an archive with Object Lock.
    """
    with administration() as admin:
        found = admin.tenants.hold(org)
    note(f"The org {org} is under a legal hold since {moment(found.held_since_ms)}.")


@app.command()
def release(org: _Id) -> None:
    """End an org's legal hold. What was copied into the archive stays as it is."""
    with administration() as admin:
        admin.tenants.release(org)
    note(f"The org {org} is under no legal hold.")


@app.command()
def delete(
    org: _Id,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask for the org's id first.")] = False,
) -> None:
    """Delete an org for good: its events, their proof, its keys, and all else that is its.

    It is suspended first. What it sent before may still be written, so nothing is deleted for ten
    minutes: repeat the command then. If it is interrupted, begin it again. Its id stays, so that
    no other org can get it. What backups and logs hold stays as long as they do.

    Exit codes: 0 done; 1 it is too early, or there is no such org; 4 DynamoDB is out of reach.
    """
    with administration() as admin:
        admin.tenants.find(org)
        if not yes:
            typed = typer.prompt(f"Type {org} to delete it for good", err=True)
            if typed != org:
                raise Failure("that is another id: nothing is deleted", USAGE)
        count = sum(admin.tenants.delete(org))
    note(f"The org {org} is deleted: {count:,} items of the tables are gone.")


@app.command()
def export(
    org: _Id,
    folder: Annotated[Path, typer.Argument(help="Where to make a folder named after the org.")],
) -> None:
    """Write all that an org has to files of JSON lines.

    Events are checked as they are read, and are in files of 100,000, each as it was hashed, with
    its seq and hash. A file is there when it is whole; begun again, the command goes on with the
    first that is not. Suspend the org first to have all of it as of one moment.

    Exit codes: 0 done; 1 the ledger can't be read, or there is no such org; 4 DynamoDB is out of
    reach.
    """
    from tocsin.cli._export import Files

    with administration() as admin:
        found = admin.tenants.find(org)
        try:
            count = Files(folder, found, admin.exporting, admin.clock.now_ms()).write()
        except OSError as error:
            raise Failure(f"can't write to {folder}: {error.strerror}") from error
    note(f"{count:,} events of org {org} are in {folder / org}, and what else it has.")


def _row(org: Org) -> tuple[str, ...]:
    since = moment(org.since_ms) if org.since_ms else ""
    quota = "" if org.status is OrgStatus.DELETED else f"{org.events_per_month:,}"
    return org.id, org.status, since, quota
