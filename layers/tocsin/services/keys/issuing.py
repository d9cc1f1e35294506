"""Issuing, rotating and revoking API keys. A token is shown once, to who asked for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tocsin.domain.errors import Invalid, NotFound
from tocsin.domain.keys import ApiKey, Scope, mint, standing
from tocsin.domain.limits import MAX_KEYS
from tocsin.domain.times import iso_ms
from tocsin.services.keys.writing import Writing, delegation, event, of_agent, said

__all__ = ["Admin", "Issue", "Issued", "Issuing", "Operator"]


class Admin(Protocol):
    """Who changes an org's keys, in the words of what is told: an admin's key, if it is one's."""

    @property
    def org(self) -> str:
        """The org."""

    @property
    def holder(self) -> str:
        """What the credential proves."""


@dataclass(frozen=True, slots=True)
class Operator:
    """Who works on an org's tables directly, with AWS credentials instead of a key."""

    org: str
    holder: str = "aws-credentials"


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

    def all(self, admin: Admin) -> Sequence[ApiKey]:
        """Return the org's keys as they stand, revoked ones included, by creation."""
        return standing(self._keys.all(admin.org))

    def draft(self, admin: Admin, issue: Issue) -> Issued:
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

    def create(self, admin: Admin, issue: Issue) -> Issued:
        """Make a key for the admin's own org.

        Raises:
            Invalid: as :meth:`draft`.
            Busy: nothing was written; or OutcomeUnknown: it may have been, and nobody has the
                token: revoke it.
        """
        issued = self.draft(admin, issue)
        return Issued(issued.token, self._writing.add(issued.key, issued.told(admin.holder)))

    def rotate(self, admin: Admin, key_id: str, overlap_seconds: int) -> Issued:
        """Make a key that may do the same; the old one ends after the overlap.

        Those that the old one delegated end with it.

        Raises:
            NotFound: there is no such key that still works.
            Busy: as :meth:`create`.
        """
        old = _found(self.all(admin), key_id)
        token, new = mint(
            old.org,
            old.scopes,
            old.name,
            self._clock.now_ms(),
            old.types,
            old.person,
            old.expires_at_ms,
            old.agent,
            old.chain,
        )
        by = admin.holder

        def plan(now: ApiKey, now_ms: int) -> tuple[ApiKey, Sequence[dict[str, Any]]]:
            if old.ended(now_ms) or now.ended(now_ms):
                raise NotFound("there is no such key that still works")
            ending = now.ending(now_ms + overlap_seconds * 1_000)
            ends_at = iso_ms(ending.ends_at_ms)
            told = said(new) | {"instead_of": now.id, "old_expires_at": ends_at}
            return ending, [
                event("tocsin.key_rotated", by, new, told),
                *of_agent("agent.rotated", by, new, oldKeyId=now.id, oldExpiresAt=ends_at),
            ]

        self._writing.change(old, plan, new)
        return Issued(token, new)

    def revoke(self, admin: Admin, key_id: str) -> ApiKey:
        """End a key for good; it stops everywhere within a minute. Repeating it is no error.

        Raises:
            NotFound: there is no such key.
            Busy: as :meth:`create`.
        """
        known = self.all(admin)
        return self.end(_found(known, key_id), admin.holder, known)

    def end(self, key: ApiKey, by: str, known: Sequence[ApiKey]) -> ApiKey:
        """End a key, and tell of it and of those delegated ones that end with it.

        Nothing is written of the latter: they work only as long as all of their chain does. It is
        given as it stands, and so are all of its org's, which are ``known``.
        """
        if key.revoked_at_ms is not None:
            return key

        def plan(now: ApiKey, now_ms: int) -> tuple[ApiKey, Sequence[dict[str, Any]]]:
            if now.revoked_at_ms is not None:
                return now, ()
            if key.chain:
                first = [delegation("delegation.revoked", by, key)]
            else:
                first = [event("tocsin.key_revoked", by, key, {"key_id": key.id})]
                first += of_agent("agent.revoked", by, key)
            rest = (
                delegation("delegation.revoked", by, each, endedWith=key.id)
                for each in known
                if key.id in each.chain and not each.ended(now_ms)
            )
            return now.revoked(now_ms), [*first, *rest]

        return self._writing.change(key, plan)


def _found(known: Sequence[ApiKey], key_id: str) -> ApiKey:
    found = next((each for each in known if each.id == key_id), None)
    if found is None:
        raise NotFound("there is no such key")
    return found
