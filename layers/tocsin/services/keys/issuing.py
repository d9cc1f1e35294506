"""Issuing, rotating and revoking API keys. A token is shown once, to who asked for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tocsin.domain.errors import Invalid, NotFound
from tocsin.domain.ids import is_name
from tocsin.domain.keys import ApiKey, Scope, mint, standing
from tocsin.domain.limits import MAX_KEYS
from tocsin.domain.times import iso_ms
from tocsin.services.keys.writing import Writing, delegation, event, of_agent, said

__all__ = ["Issue", "Issued", "Issuing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """What a new key may do, for whom, and until when."""

    scopes: frozenset[Scope]
    name: str = ""
    person: str = ""
    types: frozenset[str] | None = None
    expires_at_ms: int | None = None
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Issued:
    """A key, and its token, which is stored nowhere."""

    token: str
    key: ApiKey

    def told(self, by: str) -> dict[str, Any]:
        """Return the event that tells of it."""
        return event("tocsin.key_created", by, self.key, said(self.key))


class Issuing:
    """The use cases behind ``/api/v1/keys``. Everything blocks."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing
        self._keys = writing.keys
        self._clock = writing.clock

    def all(self, admin: ApiKey) -> Sequence[ApiKey]:
        """Return the org's keys as they stand, revoked ones included, by creation."""
        return standing(self._keys.all(admin.org))

    def draft(self, admin: ApiKey, issue: Issue) -> Issued:
        """Make a key for the admin's own org; it is yet to be written.

        Raises:
            Invalid: it would have expired already, or the org has too many.
        """
        now_ms = self._clock.now_ms()
        if issue.expires_at_ms is not None and issue.expires_at_ms <= now_ms:
            raise Invalid([{"field": "expires_at", "message": "It is in the past"}])
        if sum(not each.ended(now_ms) for each in self.all(admin)) >= MAX_KEYS:
            message = f"the org has {MAX_KEYS:,} keys: revoke some of them first"
            raise Invalid([{"field": "scopes", "message": message}], message)
        token, key = mint(
            admin.org,
            issue.scopes,
            issue.name,
            now_ms,
            issue.types,
            issue.person,
            issue.expires_at_ms,
            issue.agent,
        )
        return Issued(token, key)

    def create(self, admin: ApiKey, issue: Issue) -> Issued:
        """Make a key for the admin's own org.

        Raises:
            Invalid: as :meth:`draft`.
            Busy: nothing was written; or OutcomeUnknown: it may have been, and nobody has the
                token: revoke it.
        """
        issued = self.draft(admin, issue)
        self._writing.write([issued.key], issued.told(admin.holder))
        return issued

    def rotate(self, admin: ApiKey, key_id: str, overlap_seconds: int) -> Issued:
        """Make a key that may do the same; the old one ends after the overlap.

        Those that the old one delegated end with it.

        Raises:
            NotFound: there is no such key that still works.
            Busy: as :meth:`create`.
        """
        old, now_ms = self._found(admin, key_id), self._clock.now_ms()
        if old.ended(now_ms):
            raise NotFound("there is no such key that still works")
        token, key = mint(
            old.org,
            old.scopes,
            old.name,
            now_ms,
            old.types,
            old.person,
            old.expires_at_ms,
            old.agent,
            old.chain,
        )
        ending = old.ending(now_ms + overlap_seconds * 1_000)
        by, old_expires_at = admin.holder, iso_ms(ending.ends_at_ms)
        told = said(key) | {"instead_of": old.id, "old_expires_at": old_expires_at}
        self._writing.write(
            [key, ending],
            event("tocsin.key_rotated", by, key, told),
            *of_agent("agent.rotated", by, key, oldKeyId=old.id, oldExpiresAt=old_expires_at),
        )
        return Issued(token, key)

    def revoke(self, admin: ApiKey, key_id: str) -> ApiKey:
        """End a key for good; it stops everywhere within a minute. Repeating it is no error.

        Raises:
            NotFound: there is no such key.
            Busy: as :meth:`create`.
        """
        return self.end(self._found(admin, key_id), admin.holder)

    def end(self, key: ApiKey, by: str) -> ApiKey:
        """End a key, and tell of it and of those delegated ones that end with it.

        Nothing is written of the latter: they work only as long as all of their chain does.
        """
        if key.revoked_at_ms is not None:
            return key
        now_ms = self._clock.now_ms()
        below = [
            each
            for each in standing(self._keys.all(key.org))
            if key.id in each.chain and not each.ended(now_ms)
        ]
        if key.chain:
            first = [delegation("delegation.revoked", by, key)]
        else:
            first = [event("tocsin.key_revoked", by, key, {"key_id": key.id})]
            first += of_agent("agent.revoked", by, key)
        rest = (delegation("delegation.revoked", by, each, endedWith=key.id) for each in below)
        revoked = key.revoked(now_ms)
        self._writing.write([revoked], *first, *rest)
        return revoked

    def _found(self, admin: ApiKey, key_id: str) -> ApiKey:
        found = self._keys.get(admin.org, key_id) if is_name(key_id) else None
        if found is None:
            raise NotFound("there is no such key")
        return found
