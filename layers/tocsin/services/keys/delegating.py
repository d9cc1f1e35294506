"""Delegation: a key issues another that may do less, for a shorter time, and ends with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.domain.errors import Forbidden, Invalid, LimitReached, NotFound, Unauthenticated
from tocsin.domain.keys import ApiKey, Scope, mint
from tocsin.domain.limits import (
    DELEGATION_SECONDS,
    MAX_DELEGATION_DEPTH,
    MAX_DELEGATIONS,
    MAX_KEYS,
)
from tocsin.domain.times import iso_ms
from tocsin.services.keys.issuing import Issued, Issuing
from tocsin.services.keys.writing import Writing, delegation

__all__ = ["Delegate", "Delegating"]

_COUNTED_MS: Final = 60 * 60 * 1_000  # so long also where it ended: else one could go on and on
_LATER_SECONDS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegate:
    """What a delegated key may do, and until when; types and agent are the parent's if not said."""

    scopes: frozenset[Scope]
    name: str = ""
    types: frozenset[str] | None = None
    agent: str = ""
    expires_at_ms: int | None = None


class Delegating:
    """The use cases behind ``/api/v1/delegations``. Everything blocks.

    A key that was delegated stands for its parent's person, and for its agent where it has one.
    """

    def __init__(self, issuing: Issuing, writing: Writing) -> None:
        self._issuing = issuing
        self._writing = writing
        self._clock = writing.clock

    def delegate(self, key: ApiKey, wanted: Delegate) -> Issued:
        """Make a key that may do a part of what this one may.

        Raises:
            Unauthenticated: the key does not work any more.
            Forbidden: it may not do that itself, or would be a chain too long.
            Invalid: it would end before now, or later than it may.
            LimitReached: it has delegated as much as it may, or the org has too many keys.
            Busy: nothing was written; or OutcomeUnknown: it may have been, and nobody has the
                token: revoke it.
        """
        now_ms = self._clock.now_ms()
        keys = self._issuing.all(key)
        parent = next((each for each in keys if each.id == key.id), None)
        if parent is None or parent.ended(now_ms):  # what is known of it may be half a minute old
            raise Unauthenticated("the API key was revoked, or has expired: use another")
        _check(parent, wanted)
        _check_room(parent, keys, now_ms)
        token, made = mint(
            parent.org,
            wanted.scopes,
            wanted.name,
            now_ms,
            parent.types if wanted.types is None else wanted.types,
            parent.person,
            _expiry(parent, wanted, now_ms),
            wanted.agent or parent.agent,
            (*parent.chain, parent.id),
        )
        told = delegation("delegation.created", parent.holder, made)
        return Issued(token, self._writing.add(made, told))

    def delegated(self, key: ApiKey) -> Sequence[ApiKey]:
        """Return what this key delegated, further delegations included; an admin's: all."""
        return [each for each in self._issuing.all(key) if _is_below(each, key)]

    def revoke(self, key: ApiKey, id: str) -> ApiKey:
        """End a delegated key, and those that it delegated. Repeating it is no error.

        Raises:
            NotFound: there is none that this key delegated, itself or over others.
            Busy: as :meth:`delegate`.
        """
        known = self._issuing.all(key)
        found = next((each for each in known if each.id == id), None)
        if found is None or not _is_below(found, key):
            raise NotFound("there is no such delegation")
        return self._issuing.end(found, key.holder, known)


def _is_below(each: ApiKey, key: ApiKey) -> bool:
    return key.id in each.chain or (bool(each.chain) and key.may(Scope.ADMIN))


def _check(parent: ApiKey, wanted: Delegate) -> None:
    """Make sure that nothing is given that the parent does not have."""
    if len(parent.chain) >= MAX_DELEGATION_DEPTH:
        raise Forbidden(
            f"a chain of delegations has {MAX_DELEGATION_DEPTH} at most: ask who delegated this key"
        )
    if Scope.ADMIN in wanted.scopes:
        raise _refused("scopes", "admin can't be delegated: an admin makes keys")
    if lacking := sorted(each for each in wanted.scopes if not parent.may(each)):
        raise _refused("scopes", f"the API key lacks {', '.join(lacking)} itself")
    if parent.types is not None and not (wanted.types or frozenset()) <= parent.types:
        raise _refused("types", "the API key may not see some of these itself")
    parent.check_agent(wanted.agent or parent.agent)


def _refused(field: str, message: str) -> Forbidden:
    return Forbidden(message, [{"field": field, "message": message}])


def _expiry(parent: ApiKey, wanted: Delegate, now_ms: int) -> int:
    latest_ms = min(now_ms + DELEGATION_SECONDS * 1_000, parent.ends_at_ms)
    expires_at_ms = latest_ms if wanted.expires_at_ms is None else wanted.expires_at_ms
    if not now_ms < expires_at_ms <= latest_ms:
        message = f"It is after now, and not after {iso_ms(latest_ms)}"
        raise Invalid([{"field": "expires_at", "message": message}])
    return expires_at_ms


def _check_room(parent: ApiKey, keys: Sequence[ApiKey], now_ms: int) -> None:
    working = [each for each in keys if not each.ended(now_ms)]
    if len(working) >= MAX_KEYS:
        raise LimitReached(f"the org has {MAX_KEYS:,} keys: revoke some first", _LATER_SECONDS)
    counted = [
        each
        for each in keys
        if each.chain
        and each.root == parent.root
        and (not each.ended(now_ms) or now_ms - each.created_at_ms < _COUNTED_MS)
    ]
    if len(counted) >= MAX_DELEGATIONS:
        raise LimitReached(
            f"{MAX_DELEGATIONS} keys that come from the same one work, or were made within the "
            "hour: wait, and let each work longer instead",
            _LATER_SECONDS,
        )
