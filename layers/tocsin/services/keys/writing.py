"""Writing keys together with the events that tell of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tocsin.domain.batch import Batch
from tocsin.domain.errors import Conflict
from tocsin.domain.keys import ApiKey
from tocsin.domain.times import iso_ms
from tocsin.ports.access import KeyRing, Keys
from tocsin.ports.world import Clock
from tocsin.services.intake.told import tell

__all__ = ["Writing", "delegation", "event", "of_agent", "said"]

type Plan = Callable[[ApiKey, int], tuple[ApiKey, Sequence[dict[str, Any]]]]


class Writing:
    """Changes keys of an org. Everything blocks, and raises what :func:`.told.tell` does."""

    def __init__(self, keys: Keys, ring: KeyRing, clock: Clock) -> None:
        self.keys = keys
        self.clock = clock
        self._ring = ring

    def add(self, key: ApiKey, *events: dict[str, Any]) -> ApiKey:
        """Write a new key, and the events that tell of it; return it as it is stored."""

        def plan(now: ApiKey, _: int) -> tuple[ApiKey, Sequence[dict[str, Any]]]:
            if now.change:
                raise Conflict("there is such a key: send the request again")
            return now, events

        return self.change(key, plan)

    def change(self, key: ApiKey, plan: Plan, new: ApiKey | None = None) -> ApiKey:
        """Write what ``plan`` makes of a key as it is now, and a new one with it, if there is."""

        def read() -> ApiKey:
            return self.keys.get(key.org, key.id) or key

        def write(next: ApiKey, was: str, batch: Batch, packed: bytes) -> bool:
            return self._ring.write(next, was, batch, packed, new)

        return tell(key.org, self.clock, read, plan, write, "key")


def event(type: str, by: str, key: ApiKey, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event of a key's change."""
    told = {"type": type, "user_id": by, "request": dict(request)}
    return told | ({"agent_id": key.agent} if key.agent else {})


def of_agent(type: str, by: str, key: ApiKey, **more: str) -> list[dict[str, Any]]:
    """Return KavachOS' event of an agent's own key; none, if it is no agent's, or delegated."""
    if not key.agent or key.chain:
        return []
    data = {"agentId": key.agent, "keyId": key.id} | more
    return [{"type": type, "user_id": by, "agent_id": key.agent, "data": data}]


def delegation(type: str, by: str, key: ApiKey, **more: str) -> dict[str, Any]:
    """Return KavachOS' event of a delegated key."""
    data: dict[str, Any] = {
        "delegationId": key.id,
        "parentKeyId": key.chain[-1],
        "depth": len(key.chain),
        "scopes": sorted(key.scopes),
        **({"agentId": key.agent} if key.agent else {}),
        **({"types": sorted(key.types)} if key.types is not None else {}),
        **({"expiresAt": iso_ms(key.expires_at_ms)} if key.expires_at_ms is not None else {}),
    }
    told = {"type": type, "user_id": by, "data": data | more}
    return told | ({"agent_id": key.agent} if key.agent else {})


def said(key: ApiKey) -> dict[str, Any]:
    """Return what an event says of a key that is new."""
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
