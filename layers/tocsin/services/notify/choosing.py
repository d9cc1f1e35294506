"""Choosing what is sent next: what failed and is due, what follows, what is replayed."""

from dataclasses import replace
from typing import Final

from tocsin.domain.deliveries import Unit
from tocsin.domain.endpoints import Order
from tocsin.domain.segment import SealedEvent
from tocsin.services.notify.reading import Ahead, Log, Step
from tocsin.services.notify.turn import Saving, Sending, Turn
from tocsin.services.reading.replay import Expired
from tocsin.wire.notify.rendering import wants
from tocsin.wire.notify.runs import run_of

__all__ = ["Choosing"]

_AT_ONCE: Final = 8  # where an endpoint has no order


class Choosing:
    """The choice of a turn. It blocks, and may raise Busy, IntegrityError or Lost."""

    def __init__(self, log: Log, saving: Saving) -> None:
        self._log = log
        self._saving = saving

    def __call__(self, turn: Turn, now_ms: int) -> list[Sending]:
        """Return what is sent next: what failed and is due, what follows, what is replayed."""
        alone = turn.endpoint.order is not Order.NONE or turn.progress.streak > 0
        most = 1 if alone else _AT_ONCE
        chosen = list[Sending]()
        for failing in turn.progress.due(now_ms, strict=turn.strict):
            if len(chosen) == most:
                return chosen
            if events := self._again(turn, failing.unit):
                chosen.append(Sending(failing.unit, events))
            else:
                turn.sent = True  # there is something to write
        following = self._following(turn, turn.ahead, now_ms, most - len(chosen))
        chosen += [Sending(each.unit, each.events, each) for each in following]
        for id, (replay, ahead) in list(turn.replays.items()):
            if len(chosen) == most:
                break
            again = self._following(turn, ahead, now_ms, most - len(chosen))
            chosen += [Sending(each.unit, each.events) for each in again]
            turn.moved.add(id)
            turn.replays[id] = replace(replay, next_seq=ahead.seq + 1), ahead
        if not chosen and turn.progress.due(now_ms, strict=turn.strict):
            return self(turn, now_ms)  # a run is written before it is sent
        return chosen

    def _following(self, turn: Turn, ahead: Ahead, now_ms: int, most: int) -> list[Step]:
        """Return what follows a cursor and may be sent now, and move it behind that."""
        limits, steps = run_of(turn.endpoint.format), list[Step]()
        room = turn.progress.room(now_ms, strict=turn.strict)
        while len(steps) < min(room, most) and (step := ahead.peek()) is not None:
            if limits is None:
                steps.append(ahead.take())
                continue
            received_at_ms = step.events[0].received_at_ms or 0
            if not step.full and now_ms < received_at_ms + limits.linger_ms:
                turn.progress = replace(
                    turn.progress, hold_until_ms=received_at_ms + limits.linger_ms
                )
            else:
                ahead.take()
                turn.progress = turn.progress.before_sending(step.unit, now_ms)
                turn.went_on()
                self._saving.write(turn)
            break
        return steps

    def _again(self, turn: Turn, unit: Unit) -> tuple[SealedEvent, ...]:
        """Return the events of a unit that failed; none are left of one that is not tried again."""
        try:
            sealed = self._log.between(turn.endpoint.org, unit.seq, unit.until_seq)
            events = tuple(event for event in sealed if wants(turn.endpoint, event))
        except Expired:
            turn.progress = turn.progress.without(unit, passed_over=1)
            return ()
        if not events:  # the endpoint does not want them any more
            turn.progress = turn.progress.without(unit)
        return events
