"""Writing keys together with the events that tell of them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tocsin.domain.errors import Busy, OutcomeUnknown
from tocsin.domain.keys import ApiKey
from tocsin.domain.times import iso_ms
from tocsin.ports.access import KeyRing, Keys
from tocsin.ports.world import Clock
from tocsin.services.intake.stamp import new_id, own_batch

__all__ = ["Writing", "delegation", "event", "of_agent", "said"]

_TRIES: Final = 3


class Writing:
    """Changes keys of an org. Everything blocks."""

    def __init__(self, keys: Keys, ring: KeyRing, clock: Clock) -> None:
        self.keys = keys
        self.clock = clock
        self._ring = ring

    def write(self, keys: Sequence[ApiKey], *events: dict[str, Any]) -> None:
        """Write keys and the events that tell of them; a try whose answer was lost is known.

        Raises:
            Busy: nothing was written; or OutcomeUnknown: it may have been.
        """
        unknown: Busy = Busy("others are changing the same key: send the request again")
        for _ in range(_TRIES):
            batch, packed = own_batch(keys[0].org, events, new_id(self.clock.now_ms()))
            try:
                if self._ring.write(keys, batch, packed):
                    return
            except OutcomeUnknown as error:
                unknown = error
            if all(self.keys.get(each.org, each.id) == each for each in keys):
                return
        raise unknown


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
