"""``tocsin keys``: API keys, directly in the state table; delegated ones by the API."""

import time
from typing import Annotated

import typer

from tocsin.cli._administration import LOCAL_ORG, OrgOption, administration, moment
from tocsin.cli._connection import ApiKeyOption, UrlOption, connected
from tocsin.cli._failure import USAGE, Failure
from tocsin.cli._output import escaped, note, say, show_table
from tocsin.domain.errors import Conflict, Malformed
from tocsin.domain.keys import ApiKey, Scope, mint
from tocsin.domain.limits import EVENTS_PER_MONTH, REVOCATION_SECONDS
from tocsin.wire.filters import types_of

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Create, list, revoke and delegate API keys.")


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
    try:
        shown = None if types is None else types_of([("types", types)])
        scopes = frozenset(scope or [Scope.INGEST])
        token, key = mint(org, scopes, name, _now_ms(), shown, person)
    except (ValueError, Malformed) as error:
        raise Failure(str(error), USAGE) from error
    with administration() as admin:
        try:
            admin.tenants.ensure(org, events_per_month)
        except Conflict as error:
            raise Failure(str(error)) from error
        except Malformed as error:
            raise Failure(str(error), USAGE) from error
        admin.keys.put(key)
    named = ", ".join(sorted(key.scopes))
    note(f"Key {key.id} of org {org} ({named}). It is shown only now:")
    say(token)


@app.command("list")
def list_(org: OrgOption = LOCAL_ORG) -> None:
    """List an org's keys, revoked ones included."""
    with administration() as admin:
        keys = admin.keys.all(org)
    if not keys:
        say(f"org {escaped(org)} has no keys")
        return
    names = ("key", "name", "person", "scopes", "types", "created", "revoked")
    show_table(names, map(_row, keys))


def _row(key: ApiKey) -> tuple[str, ...]:
    revoked = moment(key.revoked_at_ms) if key.revoked_at_ms is not None else ""
    scopes, types = " ".join(sorted(key.scopes)), " ".join(sorted(key.types or ["all"]))
    return key.id, key.name, key.person, scopes, types, moment(key.created_at_ms), revoked


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, as `tocsin keys list` shows it.")],
    org: OrgOption = LOCAL_ORG,
) -> None:
    """Revoke a key for good. It stops everywhere within 60 seconds."""
    with administration() as admin:
        key = admin.keys.get(org, key_id)
        if key is None:
            raise Failure(f"org {org} has no key {key_id}: see `tocsin keys list --org {org}`")
        if key.revoked_at_ms is None:
            admin.keys.put(key.revoked(_now_ms()))
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
    body = {"scopes": scope or [Scope.INGEST], "name": name, "agent": agent}
    if expires_at is not None:
        body["expires_at"] = expires_at
    with connected(url, api_key) as client:
        made = client.call("POST", "/api/v1/delegations", body=body)
    ends = escaped(made["expires_at"])
    note(f"Key {escaped(made['id'])} works until {ends}. It is shown only now:")
    say(escaped(made["key"]))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
