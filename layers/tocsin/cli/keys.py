"""``tocsin keys``: API keys, directly in the tables; delegated ones by the API."""

from typing import TYPE_CHECKING, Annotated

import typer

from tocsin.cli._administration import LOCAL_ORG, OrgOption, administration, moment
from tocsin.cli._connection import ApiKeyOption, UrlOption, connected
from tocsin.cli._output import escaped, note, say, show_table
from tocsin.domain.keys import ApiKey, Scope
from tocsin.domain.limits import (
    EVENTS_PER_MONTH,
    KEY_OVERLAP_SECONDS,
    MAX_KEY_OVERLAP_SECONDS,
    REVOCATION_SECONDS,
)

if TYPE_CHECKING:
    from tocsin.client import KeyOptions
    from tocsin.services.keys.issuing import Issued, Operator

__all__ = ["app"]

_KeyId = Annotated[str, typer.Argument(help="The key's id, as `tocsin keys list` shows it.")]

app = typer.Typer(no_args_is_help=True, help="Create, list, rotate, revoke and delegate API keys.")


@app.command()
def create(
    org: OrgOption = LOCAL_ORG,
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="What it may do; may be given more than once.", show_default="ingest"),
    ] = None,
    name: Annotated[str, typer.Option(help="What it is for, to tell keys apart.")] = "",
    person: Annotated[
        str,
        typer.Option(help="Whose it is, if it is one person's: who resolves what it approves."),
    ] = "",
    types: Annotated[
        str | None,
        typer.Option(
            help="The event types that its streams may show, with commas.", show_default="all"
        ),
    ] = None,
    events_per_month: Annotated[
        int | None,
        typer.Option(min=0, help=f"Change the org's quota ({EVENTS_PER_MONTH:,} at first)."),
    ] = None,
) -> None:
    """Create a key, and the org with its first key. The key is printed once and stored hashed.

    Example: `tocsin keys create --org acme --scope ingest --scope read --name "ci exporter"`
    """
    given = {"scopes": scope or [Scope.INGEST], "name": name, "person": person}
    with administration() as admin:
        from tocsin.services.keys.issuing import Issue
        from tocsin.wire import bodies
        from tocsin.wire import keys as wire
        from tocsin.wire.filters import types_of

        body = bodies.checked(given, wire.CREATE)
        issue = Issue(
            scopes=frozenset(body["scopes"]),
            name=name,
            person=person,
            types=None if types is None else types_of([("types", types)]),
        )
        admin.tenants.ensure(org, events_per_month)
        _show(admin.issuing.create(_operator(org), issue))


def _operator(org: str) -> "Operator":
    from tocsin.services.keys.issuing import Operator  # which `delegate` does without

    return Operator(org)


def _show(issued: "Issued") -> None:
    key = issued.key
    note(f"Key {key.id} of org {key.org} ({', '.join(sorted(key.scopes))}). It is shown only now:")
    say(issued.token)


@app.command("list")
def list_(org: OrgOption = LOCAL_ORG) -> None:
    """List an org's keys, revoked ones included."""
    with administration() as admin:
        keys = admin.issuing.all(_operator(org))
    if not keys:
        say(f"org {escaped(org)} has no keys")
        return
    names = ("key", "name", "person", "scopes", "types", "created", "expires", "revoked")
    show_table(names, map(_row, keys))


def _row(key: ApiKey) -> tuple[str, ...]:
    times = (key.created_at_ms, key.expires_at_ms, key.revoked_at_ms)
    scopes, types = " ".join(sorted(key.scopes)), " ".join(sorted(key.types or ["all"]))
    shown = ("" if at_ms is None else moment(at_ms) for at_ms in times)
    return key.id, key.name, key.person, scopes, types, *shown


@app.command()
def rotate(
    key_id: _KeyId,
    overlap_seconds: Annotated[
        int,
        typer.Option(min=0, max=MAX_KEY_OVERLAP_SECONDS, help="How long the old key works on."),
    ] = KEY_OVERLAP_SECONDS,
    org: OrgOption = LOCAL_ORG,
) -> None:
    """Make a key that may do the same as an old one, which ends after the overlap; printed once.

    What the old one delegated ends with it.
    """
    with administration() as admin:
        _show(admin.issuing.rotate(_operator(org), key_id, overlap_seconds))


@app.command()
def revoke(
    key_id: _KeyId,
    org: OrgOption = LOCAL_ORG,
) -> None:
    """Revoke a key for good. It stops everywhere within 60 seconds, and what it delegated, too."""
    with administration() as admin:
        admin.issuing.revoke(_operator(org), key_id)
    note(f"Key {key_id} is revoked; it stops everywhere within {REVOCATION_SECONDS} seconds.")


@app.command()
def delegate(
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="What it may do; may be given more than once.", show_default="ingest"),
    ] = None,
    name: Annotated[str, typer.Option(help="What it is for, to tell keys apart.")] = "",
    agent: Annotated[str, typer.Option(help="Which agent it stands for.")] = "",
    expires_at: Annotated[
        str | None, typer.Option(help="When it ends (ISO 8601).", show_default="in a day")
    ] = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Make a key that may do a part of what the one in use may, and ends with it; printed once.

    Example: `tocsin keys delegate --scope ingest --agent reviewer`
    """
    said: KeyOptions = {"name": name, "agent": agent}
    if expires_at is not None:
        said["expires_at"] = expires_at
    with connected(url, api_key) as client:
        made = client.delegate(scope or [Scope.INGEST], **said)
    ends = escaped(str(made.fields["expires_at"]))
    note(f"Key {escaped(made.id)} works until {ends}. It is shown only now:")
    say(escaped(made.token or ""))
