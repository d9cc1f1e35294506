"""Issuing, rotating and revoking API keys. A token is shown once, to who asked for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tocsin.domain.errors import Busy, Invalid, NotFound, OutcomeUnknown
from tocsin.domain.ids import is_name
from tocsin.domain.keys import ApiKey, Scope, mint
from tocsin.domain.limits import MAX_KEYS
from tocsin.domain.times import iso_ms
from tocsin.ports import Clock, KeyRing, Keys
from tocsin.services.intake.stamp import new_id, own_batch

__all__ = ["Issue", "Issued", "Issuing"]

_TRIES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """What a new key may do, and until when."""

    scopes: frozenset[Scope]
    name: str = ""
    person: str = ""
    types: frozenset[str] | None = None
    expires_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """A key, and its token, which is stored nowhere."""

    token: str
    key: ApiKey


class Issuing:
    """The use cases behind ``/api/v1/keys``. Everything blocks."""

    def __init__(self, keys: Keys, ring: KeyRing, clock: Clock) -> None:
        self._keys = keys
        self._ring = ring
        self._clock = clock

    def all(self, admin: ApiKey) -> Sequence[ApiKey]:
        """Return the org's keys, revoked ones included, by creation."""
        return self._keys.all(admin.org)

    def create(self, admin: ApiKey, issue: Issue) -> Issued:
        """Make a key for the admin's own org.

        Raises:
            Invalid: it would have expired already, or the org has too many.
            Busy: nothing was written; or OutcomeUnknown: it may have been, and nobody has the
                token: revoke it.
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
        )
        self._write(admin, (key,), "tocsin.key_created", _said(key))
        return Issued(token, key)

    def rotate(self, admin: ApiKey, key_id: str, overlap_seconds: int) -> Issued:
        """Make a key that may do the same; the old one ends after the overlap.

        Raises:
            NotFound: there is no such key that still works.
            Busy: as :meth:`create`.
        """
        old, now_ms = self._working(admin, key_id), self._clock.now_ms()
        token, key = mint(
            old.org, old.scopes, old.name, now_ms, old.types, old.person, old.expires_at_ms
        )
        ending = old.ending(now_ms + overlap_seconds * 1_000)
        told = _said(key) | {"instead_of": old.id, "old_expires_at": iso_ms(ending.ends_at_ms)}
        self._write(admin, (key, ending), "tocsin.key_rotated", told)
        return Issued(token, key)

    def revoke(self, admin: ApiKey, key_id: str) -> ApiKey:
        """End a key for good; it stops everywhere within a minute. Repeating it is no error.

        Raises:
            NotFound: there is no such key.
            Busy: as :meth:`create`.
        """
        found = self._keys.get(admin.org, key_id) if is_name(key_id) else None
        if found is None:
            raise NotFound("there is no such key")
        if found.revoked_at_ms is not None:
            return found
        revoked = found.revoked(self._clock.now_ms())
        self._write(admin, (revoked,), "tocsin.key_revoked", {"key_id": found.id})
        return revoked

    def _working(self, admin: ApiKey, key_id: str) -> ApiKey:
        found = self._keys.get(admin.org, key_id) if is_name(key_id) else None
        if found is None or found.ended(self._clock.now_ms()):
            raise NotFound("there is no such key that still works")
        return found

    def _write(
        self, admin: ApiKey, keys: Sequence[ApiKey], type: str, told: Mapping[str, Any]
    ) -> None:
        """Write keys and the event that tells of them; a try whose answer was lost is known."""
        event = {"type": type, "user_id": admin.holder, "request": dict(told)}
        unknown: Busy = Busy("others are changing the same key: send the request again")
        for _ in range(_TRIES):
            batch, packed = own_batch(admin.org, [event], new_id(self._clock.now_ms()))
            try:
                if self._ring.write(keys, batch, packed):
                    return
            except OutcomeUnknown as error:
                unknown = error
            if all(self._keys.get(each.org, each.id) == each for each in keys):
                return
        raise unknown


def _said(key: ApiKey) -> dict[str, Any]:
    said: dict[str, Any] = {"key_id": key.id, "scopes": sorted(key.scopes)}
    if key.name:
        said["name"] = key.name
    if key.person:
        said["person"] = key.person
    if key.types is not None:
        said["types"] = sorted(key.types)
    if key.expires_at_ms is not None:
        said["expires_at"] = iso_ms(key.expires_at_ms)
    return said
