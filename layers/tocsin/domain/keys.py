"""API keys: what the holder has, and what Tocsin stores.

A key reads ``tocsin_<org>_<key id>_<secret>``. The secret has 256 random bits, so one SHA-256 is
all the hashing it needs: there is no dictionary to try, and the check stays cheap on every request.
"""

import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest

from tocsin.domain.errors import Detail, Forbidden
from tocsin.domain.ids import is_name

__all__ = ["ApiKey", "Scope", "key_ids", "mint", "standing"]

_PREFIX = "tocsin"
_LETTERS = string.ascii_letters + string.digits
_NEVER_MS = 253_402_300_799_999  # the end of the year 9999
_SECRET_LETTERS = 43  # log2(62) * 43 = 256 bits


class Scope(StrEnum):
    """What a key may do; ``admin`` includes the others."""

    INGEST = "ingest"
    READ = "read"
    APPROVE = "approve"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is stored of a key: never the secret, only its SHA-256.

    ``types`` are the event types that its streams may show; None: all. ``person`` is who holds it,
    if it is one person's. It works until ``expires_at_ms``, if there is one. ``agent`` is who it
    stands for, if it is one agent's. ``chain`` are the ids of the keys that delegated it, the first
    one first: it ends with each of them. ``sign_outs`` is how often everybody who had signed in
    with it was signed out. ``change`` names the batch that tells of its last change;
    it is empty in keys that an older version wrote.
    """

    org: str
    id: str
    digest: bytes
    scopes: frozenset[Scope]
    name: str
    created_at_ms: int
    revoked_at_ms: int | None = None
    types: frozenset[str] | None = None
    person: str = ""
    expires_at_ms: int | None = None
    agent: str = ""
    chain: tuple[str, ...] = ()
    change: str = ""
    sign_outs: int = 0

    @property
    def root(self) -> str:
        """The id of the key that its chain begins with; its own, if nobody delegated it."""
        return self.chain[0] if self.chain else self.id

    def check_agent(self, agent: str) -> None:
        """Make sure that it may speak for an agent.

        Raises:
            Forbidden: it is another agent's.
        """
        if self.agent not in ("", agent):
            message = f"The key is for the agent {self.agent!r}"
            details: list[Detail] = [{"field": "agent", "message": message}]
            raise Forbidden("the API key is another agent's", details)

    @property
    def holder(self) -> str:
        """What the key proves of who uses it: the person, or else the key itself."""
        return self.person or f"key:{self.id}"

    def matches(self, token: str) -> bool:
        """Whether ``token`` is this key and the key is not revoked (in constant time)."""
        return self.is_of(token) and self.revoked_at_ms is None

    def is_of(self, token: str) -> bool:
        """Whether ``token`` is this key, revoked or not (in constant time)."""
        return compare_digest(sha256(token.encode()).digest(), self.digest)

    @property
    def ends_at_ms(self) -> int:
        """When it ends or ended; a time that does not come, if it does not."""
        ends = [at for at in (self.expires_at_ms, self.revoked_at_ms) if at is not None]
        return min(ends, default=_NEVER_MS)

    def ended(self, now_ms: int) -> bool:
        """Whether it was revoked, or has expired."""
        return self.revoked_at_ms is not None or now_ms >= self.ends_at_ms

    def ending(self, at_ms: int) -> "ApiKey":
        """Return the key as it is when it shall end by then, if it does not end before."""
        return replace(self, expires_at_ms=min(at_ms, self.ends_at_ms))

    def may(self, scope: Scope) -> bool:
        """Whether the key carries ``scope``."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def revoked(self, now_ms: int) -> "ApiKey":
        """Return the key as it is after its revocation."""
        return replace(self, revoked_at_ms=now_ms)


def mint(
    org: str,
    scopes: frozenset[Scope],
    name: str,
    now_ms: int,
    types: frozenset[str] | None = None,
    person: str = "",
    expires_at_ms: int | None = None,
    agent: str = "",
    chain: tuple[str, ...] = (),
) -> tuple[str, ApiKey]:
    """Make a key. Its streams may show only ``types``; None: all. ``person`` is who holds it.
    It works until ``expires_at_ms``; None: until it is revoked. See :class:`ApiKey` for the rest.

    Returns:
        The token, to be shown once, and what to store.

    Raises:
        ValueError: ``org`` is not ``[a-z0-9-]{1,64}``.
    """
    if not is_name(org):
        raise ValueError(f"{org!r} is not an org id: use 1 to 64 of a-z, 0-9 and -")
    key_id = secrets.token_hex(6)
    secret = "".join(secrets.choice(_LETTERS) for _ in range(_SECRET_LETTERS))
    token = f"{_PREFIX}_{org}_{key_id}_{secret}"
    digest = sha256(token.encode()).digest()
    return token, ApiKey(
        org,
        key_id,
        digest,
        scopes,
        name,
        now_ms,
        types=types,
        person=person,
        expires_at_ms=expires_at_ms,
        agent=agent,
        chain=chain,
    )


def standing(keys: Sequence[ApiKey]) -> list[ApiKey]:
    """Return an org's keys as they stand: each ends with those that it was delegated by."""
    known = {key.id: key for key in keys}
    stand = []
    for key in keys:
        line = [key, *(known[id] for id in key.chain if id in known)]
        revoked = [each.revoked_at_ms for each in line if each.revoked_at_ms is not None]
        expires = [each.expires_at_ms for each in line if each.expires_at_ms is not None]
        stand.append(
            replace(
                key,
                revoked_at_ms=min(revoked, default=None),
                expires_at_ms=min(expires, default=None),
            )
        )
    return stand


def key_ids(token: str) -> tuple[str, str] | None:
    """Return the (org, key id) that a token claims, or None if it is not shaped like a key."""
    parts = token.split("_")
    if len(parts) != 4 or parts[0] != _PREFIX or len(parts[3]) > 128 or not token.isascii():
        return None
    org, key_id = parts[1:3]
    return (org, key_id) if is_name(org) and is_name(key_id) else None
