"""Choosing what is sent next: what failed and is due, what follows, what is replayed."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from tocsin.domain.deliveries import SKEW_MS, Unit
from tocsin.domain.endpoints import Order
from tocsin.domain.errors import IntegrityError
from tocsin.domain.segment import SealedEvent
from tocsin.services.notify.reading import Ahead, Log, Stale, Step
from tocsin.services.notify.turn import Saving, Sending, Turn
from tocsin.services.reading.replay import Expired
from tocsin.wire.notify.rendering import wants
from tocsin.wire.notify.runs import run_of

__all__ = ["Choosing"]

_AT_ONCE: Final = 8  # where an endpoint has no order


class Choosing:
    """The choice of a turn. It blocks, and may raise Busy, IntegrityError, Stale or Lost."""

    def __init__(self, log: Log, saving: Saving) -> None:
        self._log = log
        self._saving = saving

    def __call__(self, turn: Turn, now_ms: int) -> list[Sending]:
        """Return what is sent next: what failed and is due, what follows, what is replayed."""
        alone = turn.endpoint.order is not Order.NONE or turn.progress.streak > 0
        most = 1 if alone else _AT_ONCE
        chosen = list[Sending]()
        try:
            for sending in self._next(turn, now_ms, most):
                chosen.append(sending)
                if len(chosen) == most:
                    return chosen
        except IntegrityError:
            if not chosen:
                raise
            return chosen  # what stands before it is sent first
        if not chosen and turn.progress.due(now_ms, strict=turn.strict):
            return self(turn, now_ms)  # a run is written before it is sent
        return chosen

    def _next(self, turn: Turn, now_ms: int, most: int) -> Iterator[Sending]:
        for failing in turn.progress.due(now_ms, strict=turn.strict):
            if events := self._again(turn, failing.unit):
                yield Sending(failing.unit, events)
            else:
                turn.sent = True  # there is something to write
        for step in self._following(turn, turn.ahead, now_ms, most):
            yield Sending(step.unit, step.events, step)
        for id, (_, ahead) in list(turn.replays.items()):
            found = False
            for step in self._following(turn, ahead, now_ms, most):
                found = True
                yield Sending(step.unit, step.events, replayed=(id, step.through_seq + 1))
            if not found:  # nothing of it is under way
                turn.move(id, ahead.seq + 1)

    def _following(self, turn: Turn, ahead: Ahead, now_ms: int, most: int) -> Iterator[Step]:
        """Yield what follows a cursor and may be sent now, and move it behind that."""
        limits = run_of(turn.endpoint.format)
        room = turn.progress.room(now_ms, strict=turn.strict)
        for _ in range(min(room, most)):
            if (step := ahead.peek()) is None:
                return
            if limits is None:
                yield ahead.take()
                continue
            received_at_ms = step.events[0].received_at_ms or 0
            waits_ms = received_at_ms + limits.linger_ms - now_ms
            # One that was received later than now was so by a clock that was wrong.
            if not step.full and 0 < waits_ms <= limits.linger_ms + SKEW_MS:
                turn.progress = replace(turn.progress, hold_until_ms=now_ms + waits_ms)
            else:
                ahead.take()
                turn.progress = turn.progress.before_sending(step.unit, now_ms)
                turn.went_on()
                self._saving.write(turn)
            return

    def _again(self, turn: Turn, unit: Unit) -> tuple[SealedEvent, ...]:
        """Return the events of a unit that failed; none are left of one that is not tried again."""
        try:
            sealed = self._log.between(turn.endpoint.org, unit.seq, unit.until_seq)
            events = tuple(event for event in sealed if wants(turn.endpoint, event))
        except Expired:
            turn.progress = turn.progress.without(unit, passed_over=1)
            return ()
        if not events:  # the endpoint does not want them any more
            if not turn.ahead.current():
                raise Stale
            turn.progress = turn.progress.without(unit)
        return events
