"""``tocsin erase``: have what is recorded of a user forgotten."""

from typing import Annotated

import typer

from tocsin.cli._connection import ApiKeyOption, UrlOption, connected
from tocsin.cli._failure import USAGE, Failure
from tocsin.cli._output import escaped, note

__all__ = ["erase"]

_PATH = "/api/v1/privacy/erasures"


def erase(
    user: Annotated[
        str,
        typer.Option("--user", metavar="ID", show_default=False, help="The events' `user_id`."),
    ],
    reason: Annotated[
        str | None,
        typer.Option(show_default=False, help="Why; it is in the event that tells of it."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask for the user's id first.")] = False,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Erase what events say of a user, for good: the key under which it is stored is destroyed.

    The events stay, with what they are found by, and so do their hashes and proofs. It holds
    for what came while the org's privacy setting was `erasable`, until now; and within a minute
    for everybody who reads. The key needs the scope admin.

    Exit codes: 0 done, or done before; 1 nothing of this user can be erased, or Tocsin refused;
    2 wrong usage or settings; 4 Tocsin is out of reach.
    """
    with connected(url, api_key) as client:
        if not yes:
            typed = typer.prompt(f"Type {escaped(user)} to erase what is recorded of it", err=True)
            if typed != user:
                raise Failure("that is another user: nothing is erased", USAGE)
        body = {"user_id": user} | ({"reason": reason} if reason else {})
        found = client.call("POST", _PATH, body=body)
    by, at = escaped(str(found["erased_by"])), escaped(str(found["erased_at"]))
    note(f"Erased by {by} at {at}: within a minute nobody reads it any more.")
