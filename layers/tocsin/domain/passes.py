"""Passes: random tokens that stand for an API key for a while.

A *sign-in* is what a browser's cookie holds until it signs out. A *ticket* opens one stream.
A sign-in stands for one key, and may hold keys of other orgs beside it, which stand for nothing
until another sign-in with one of them takes its place: what is stored is never changed.
Their tokens read ``tocsin-<kind>_<org>_<secret>``: like keys they name their org, and only their
SHA-256 is stored (see :mod:`tocsin.domain.keys`).
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from tocsin.domain.ids import is_name
from tocsin.domain.keys import ApiKey

__all__ = ["Kind", "Pass", "claim", "mint"]

_SECRET_BYTES = 32
_MAX_CHARS = 192  # prefix, org and secret take at most 124


class Kind(StrEnum):
    """What a pass is for."""

    SIGN_IN = "session"  # this word is stored, and stands in the tokens
    TICKET = "ticket"


@dataclass(frozen=True, slots=True)
class Pass:
    """What is stored of a pass: the key it stands for, and until when.

    ``others`` are the keys of other orgs that a sign-in holds: (org, key id), by org.
    ``sign_outs`` says how often each key had signed everybody out when the sign-in got it, by org:
    nothing for 0. It is counted, since clocks differ. Of a ticket it is the sign-in's that asked
    for it, and nothing where that was a key.
    """

    kind: Kind
    org: str
    digest: bytes  # SHA-256 of the token, by which it is found
    key_id: str
    expires_at_ms: int
    others: tuple[tuple[str, str], ...] = ()
    sign_outs: tuple[tuple[str, int], ...] = ()

    @property
    def held(self) -> tuple[tuple[str, str], ...]:
        """Every key that it holds, the one that it stands for first: (org, key id)."""
        return ((self.org, self.key_id), *self.others)

    def ended_by(self, key: ApiKey) -> bool:
        """Whether everybody was signed out since, who had signed in with this key."""
        before = dict(self.sign_outs).get(key.org)
        if before is None and self.kind is Kind.TICKET:
            return False
        return (before or 0) < key.sign_outs


def mint(
    kind: Kind,
    key: ApiKey,
    expires_at_ms: int,
    others: Iterable[ApiKey] = (),
    sign_outs: Mapping[str, int] | None = None,
) -> tuple[str, Pass]:
    """Make a pass for a key; return the token for its holder, and what to store."""
    token = f"{_prefix(kind)}{key.org}_{secrets.token_hex(_SECRET_BYTES)}"
    beside = tuple(sorted((each.org, each.id) for each in others))
    counts = tuple(sorted((sign_outs or {}).items()))
    return token, Pass(kind, key.org, _digest(token), key.id, expires_at_ms, beside, counts)


def claim(kind: Kind, token: str) -> tuple[str, bytes] | None:
    """Return the org that a token names, and its digest; None if it is not shaped like this kind.

    The digest is of the whole token, so one that names another org is not found. Digests need no
    comparison in constant time: a guess at a token says nothing about how near its digest is.
    """
    if not token.startswith(_prefix(kind)) or len(token) > _MAX_CHARS or not token.isascii():
        return None
    org, _, secret = token.removeprefix(_prefix(kind)).partition("_")
    return (org, _digest(token)) if is_name(org) and secret else None


def _prefix(kind: Kind) -> str:
    return f"tocsin-{kind}_"


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()
