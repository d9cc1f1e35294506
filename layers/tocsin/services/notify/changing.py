"""A change of an endpoint by an admin, and what tells of it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from tocsin.domain.batch import Batch
from tocsin.domain.endpoints import Endpoint, is_id
from tocsin.domain.errors import Changed, Forbidden, NotFound, UnreadableEndpoint
from tocsin.domain.keys import ApiKey
from tocsin.domain.receivers import origin
from tocsin.ports.notify import Endpoints, Kept
from tocsin.ports.world import Clock
from tocsin.services.intake.told import tell

__all__ = ["Changing", "Plan", "Write", "sees"]

_REMINDER: Final = "approval.reminder"  # which an escalation target is sent, whatever it wants
_UNREADABLE: Final = "-"  # stands for the change of an endpoint of which that is not known

type Plan = Callable[[Kept, int], tuple[Endpoint, Mapping[str, Any] | None]]
"""Says what becomes of an endpoint as it is found, by the time in milliseconds, and what is told
beside its id; None: nothing is, and nothing is changed."""

type Write = Callable[[Endpoint, str, Batch, bytes], bool]


class Changing:
    """Finds and changes endpoints, each change with its event. Everything blocks.

    Nobody has to be woken: an org's endpoints are when an event is sealed, and so after a change.
    """

    def __init__(self, store: Endpoints, clock: Clock) -> None:
        self.store = store
        self.clock = clock

    def found(self, key: ApiKey, id: str) -> Kept:
        """Return an endpoint.

        Raises:
            NotFound: there is none.
            Forbidden: the key may not see all that it is sent.
            UnreadableEndpoint: it can't be read.
        """
        try:
            kept = self.store.get(key.org, id) if is_id(id) else None
        except UnreadableEndpoint:
            if key.types is not None:  # nobody knows what it is sent
                raise _beyond() from None
            raise
        if kept is None:
            raise _gone()
        if not sees(key, kept.endpoint):
            raise _beyond()
        return kept

    def __call__(
        self,
        key: ApiKey,
        id: str,
        verb: str,
        plan: Plan,
        write: Write | None = None,
        *,
        removes: bool = False,
    ) -> Kept:
        """Change an endpoint and tell of it as ``tocsin.endpoint_<verb>``.

        ``write`` takes the place of the store's; where that ``removes``, one that is gone meanwhile
        is as it shall be.

        Raises:
            NotFound, Forbidden, UnreadableEndpoint: as :meth:`found` does; it may not see more
                after the change either.
            Busy: nothing was written; or OutcomeUnknown: it may have been.
        """
        kept = self.found(key, id)

        def read() -> Endpoint:
            nonlocal kept
            there = self.store.get(key.org, id)
            kept = there or replace(kept, endpoint=Endpoint(org=key.org, id=id, url=""))
            return kept.endpoint

        def planned(now: Endpoint, at_ms: int) -> tuple[Endpoint, list[dict[str, Any]]]:
            if not now.change:
                if removes:
                    return now, []
                raise _gone()
            next, more = plan(kept, at_ms)
            if more is None:
                return now, []
            if not sees(key, now) or not sees(key, next):
                raise _beyond()
            return replace(next, by=key.holder, at_ms=at_ms), [told(key, next, verb, more)]

        write = write or self.store.write
        return replace(kept, endpoint=tell(key.org, self.clock, read, planned, write, "endpoint"))

    def discard(self, key: ApiKey, id: str) -> None:
        """Remove an endpoint that can't be read, and tell so, with what is known of it.

        Raises:
            Forbidden: the key may not see every event type.
            Changed: it can be read (again).
            Busy: nothing was written; or OutcomeUnknown: it may have been.
        """
        if key.types is not None:
            raise _beyond()

        def read() -> Endpoint:
            try:
                kept = self.store.get(key.org, id)
            except UnreadableEndpoint as found:
                return Endpoint(
                    org=key.org, id=id, url=found.url, reason=found.reason, change=_UNREADABLE
                )
            return kept.endpoint if kept else Endpoint(org=key.org, id=id, url="")

        def planned(now: Endpoint, _: int) -> tuple[Endpoint, list[dict[str, Any]]]:
            if not now.change:
                return now, []
            if now.change != _UNREADABLE:
                raise Changed("the endpoint can be read again: look at it before you remove it")
            return now, [told(key, now, "removed", {"unreadable": now.reason})]

        def write(_: Endpoint, __: str, batch: Batch, packed: bytes) -> bool:
            return self.store.discard(key.org, id, batch, packed)

        tell(key.org, self.clock, read, planned, write, "endpoint")


def sees(key: ApiKey, endpoint: Endpoint) -> bool:
    """Whether a key may see all that an endpoint is sent."""
    if key.types is None:
        return True
    types = endpoint.wanted.types
    reminded = not endpoint.escalation or _REMINDER in key.types
    return types is not None and types <= key.types and reminded


def told(key: ApiKey, endpoint: Endpoint, verb: str, more: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event that tells what an admin did; of the URL it has scheme and host."""
    data = {"endpoint_id": endpoint.id, "url": origin(endpoint.url) or None, **more}
    return {"type": f"tocsin.endpoint_{verb}", "user_id": key.holder, "data": data}


def _gone() -> NotFound:
    return NotFound("there is no such endpoint")


def _beyond() -> Forbidden:
    return Forbidden(
        "the endpoint is sent event types that this key may not see: have it want some that the "
        "key may, or use another key"
    )
