"""An endpoint that is paused by itself: its receiver wants no more, or has failed for too long."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from tocsin.domain.deliveries import Attempt
from tocsin.domain.endpoints import Endpoint, Status
from tocsin.domain.errors import NotFound
from tocsin.ports.notify import Endpoints
from tocsin.ports.world import Clock
from tocsin.services.intake.told import tell

__all__ = ["BY", "Pausing"]

BY: Final = "tocsin:delivery"


class Pausing:
    """The use case. It blocks."""

    def __init__(self, endpoints: Endpoints, clock: Clock) -> None:
        self._endpoints = endpoints
        self._clock = clock

    def __call__(self, endpoint: Endpoint, reason: str, last: Attempt) -> bool:
        """Pause an endpoint after an attempt and tell of it, unless it was changed meanwhile.

        Returns:
            Whether it was paused by this.

        Raises:
            Busy: nothing was written; or OutcomeUnknown: it may have been.
        """
        done = False

        def read() -> Endpoint:
            kept = self._endpoints.get(endpoint.org, endpoint.id)
            if kept is None:
                raise NotFound("the endpoint is gone")
            return kept.endpoint

        def plan(now: Endpoint, at_ms: int) -> tuple[Endpoint, Sequence[dict[str, Any]]]:
            nonlocal done
            done = now.active and now.change == endpoint.change
            if not done:
                return now, ()
            paused = replace(now, status=Status.PAUSED, reason=reason, by=BY, at_ms=at_ms)
            return paused, [_event(paused, last)]

        try:
            tell(endpoint.org, self._clock, read, plan, self._endpoints.write, "endpoint")
        except NotFound:
            return False
        return done


def _event(endpoint: Endpoint, last: Attempt) -> dict[str, Any]:
    answered = {
        "event_id": last.event_id,
        "event_type": last.type,
        "failed_seq": last.seq,
        "attempts": last.attempt,
        "answer": {"status": last.status, "error": last.error, "excerpt": last.excerpt},
    }
    data = {"endpoint_id": endpoint.id, "reason": endpoint.reason, **answered}
    return {"type": "tocsin.endpoint_paused", "action": "alert", "user_id": BY, "data": data}
