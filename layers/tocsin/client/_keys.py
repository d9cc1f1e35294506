"""API keys: issued, rotated, revoked, delegated."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypedDict, Unpack

from tocsin.client._asking import Asking, AsyncAsking, Flow, Question, listed, one, path

__all__ = ["AsyncKeys", "Key", "KeyOptions", "Keys"]

_KEYS: Final = "/api/v1/keys"
_DELEGATIONS: Final = "/api/v1/delegations"


class KeyOptions(TypedDict, total=False):
    """What else can be said of a new key; ``expires_at`` is ISO 8601. See the reference."""

    name: str
    person: str
    types: Sequence[str]
    expires_at: str
    agent: str


@dataclass(frozen=True, slots=True)
class Key:
    """An API key; only the answer that makes it has its ``token``."""

    id: str
    scopes: Sequence[str]
    token: str | None = field(default=None, repr=False)
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Return it as Tocsin's answers have it; raises KeyError or TypeError: it is none."""
        return cls(fields["id"], tuple(fields["scopes"]), fields.get("key"), fields)


class Keys(Asking):
    """A client's methods of keys. What makes one is sent once: a token lost is a key to revoke."""

    def keys(self) -> list[Key]:
        """Return the org's keys; the client's own has the scope ``admin``.

        Raises:
            ApiError: Tocsin refused.
            httpx.TransportError: Tocsin can't be reached, or its answer was lost.
        """
        return self._run(_all(_KEYS))

    def create_key(self, scopes: Iterable[str], **options: Unpack[KeyOptions]) -> Key:
        """Return a new key; as :meth:`keys`."""
        return self._run(_made(_KEYS, {"scopes": list(scopes), **options}))

    def rotate_key(self, id: str, overlap_seconds: int | None = None) -> Key:
        """Return a key that may do what another may, which works on so long: a day, if None."""
        return self._run(_made(path(_KEYS, id, "rotate"), _overlap(overlap_seconds)))

    def revoke_key(self, id: str) -> Key:
        """Revoke a key: it stops everywhere within 60 seconds, and what it delegated with it."""
        return self._run(_revoked(_KEYS, id))

    def delegate(self, scopes: Iterable[str], **options: Unpack[KeyOptions]) -> Key:
        """Return a key that may do a part of what the client's own may, for a day at most."""
        return self._run(_made(_DELEGATIONS, {"scopes": list(scopes), **options}))

    def delegations(self) -> list[Key]:
        """Return the keys that the client's own delegated, itself or over others."""
        return self._run(_all(_DELEGATIONS))

    def revoke_delegation(self, id: str) -> Key:
        """Revoke one of these."""
        return self._run(_revoked(_DELEGATIONS, id))


class AsyncKeys(AsyncAsking):
    """The same for asyncio; see :class:`Client`'s methods."""

    async def keys(self) -> list[Key]:
        """Return the org's keys."""
        return await self._run(_all(_KEYS))

    async def create_key(self, scopes: Iterable[str], **options: Unpack[KeyOptions]) -> Key:
        """Return a new key."""
        return await self._run(_made(_KEYS, {"scopes": list(scopes), **options}))

    async def rotate_key(self, id: str, overlap_seconds: int | None = None) -> Key:
        """Return a key that may do what another may."""
        return await self._run(_made(path(_KEYS, id, "rotate"), _overlap(overlap_seconds)))

    async def revoke_key(self, id: str) -> Key:
        """Revoke a key."""
        return await self._run(_revoked(_KEYS, id))

    async def delegate(self, scopes: Iterable[str], **options: Unpack[KeyOptions]) -> Key:
        """Return a key that may do a part of what the client's own may."""
        return await self._run(_made(_DELEGATIONS, {"scopes": list(scopes), **options}))

    async def delegations(self) -> list[Key]:
        """Return the keys that the client's own delegated."""
        return await self._run(_all(_DELEGATIONS))

    async def revoke_delegation(self, id: str) -> Key:
        """Revoke one of these."""
        return await self._run(_revoked(_DELEGATIONS, id))


def _all(of: str) -> Flow[list[Key]]:
    return listed(of, None, Key.from_fields, "list of keys")


def _made(at: str, body: Mapping[str, Any]) -> Flow[Key]:
    return one(Question("POST", at, body=body, once=True), Key.from_fields, "key")


def _revoked(of: str, id: str) -> Flow[Key]:
    return one(Question("DELETE", path(of, id)), Key.from_fields, "key")


def _overlap(seconds: int | None) -> Mapping[str, int]:
    return {} if seconds is None else {"overlap_seconds": seconds}
