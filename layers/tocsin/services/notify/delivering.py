"""Deliver: bring an endpoint's receiver up to its org's ledger.

Whoever holds an endpoint's lease sends, and nobody else writes how far it is; so its order holds
whoever is woken, how often, and by what. How far it is, is written after what was sent: whoever is
killed in between has some of it sent again, with the same ids, and nothing is lost. Who releases a
lease looks once more: so no wake is lost that came while the lease was held. It is the ledger that
is looked at: what was changed of an endpoint, or is to be replayed, is told there as well.
"""

import random
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any, Final

from tocsin.domain import canonical
from tocsin.domain.deliveries import (
    LEASE_MS,
    Answer,
    Attempt,
    Outcome,
    Replay,
    outcome_of,
)
from tocsin.domain.endpoints import Endpoint
from tocsin.domain.limits import PAUSE_AFTER_FAILING_DAYS
from tocsin.ports.notify import Deliveries, Endpoints, Kept, Sender, Wakes
from tocsin.ports.world import Clock
from tocsin.services.notify.choosing import Choosing
from tocsin.services.notify.pausing import Pausing
from tocsin.services.notify.reading import Ahead, Log, Stale
from tocsin.services.notify.report import Report
from tocsin.services.notify.turn import Lost, Room, Saving, Sending, Turn
from tocsin.services.reading.replay import Expired
from tocsin.wire.notify.rendering import Answers, outgoing

__all__ = ["Delivering", "LinksOf"]

_SAVE_MS: Final = 2_000  # what was sent in this time is sent again if its sender is killed
_SAVE_ATTEMPTS: Final = 100
_HIDDEN_EVENTS: Final = 1_000  # are passed over before that is written
_QUIET_MS: Final = 30_000  # or it is, when nothing was sealed for so long
_TURNS: Final = 100  # of one call; each sends something
_REMEMBERED: Final = 10_000
_LONGEST_WAKE_MS: Final = 900_000
_ASKS: Final = frozenset({"approval.created", "approval.reminder"})

type LinksOf = Callable[[Endpoint, str], Answers | None]
"""Makes the links to the answers of an approval, for an endpoint; None: there are none (any more).

May raise Busy.
"""


class Delivering:
    """The use case behind the queues of wakes. Everything blocks; several threads may call it."""

    def __init__(
        self,
        *,
        log: Log,
        endpoints: Endpoints,
        deliveries: Deliveries,
        sender: Sender,
        wakes: Wakes,
        clock: Clock,
        pool: Callable[[], Executor],
        works: Callable[[str], bool] = lambda _: True,
        links: LinksOf = lambda *_: None,
        public_url: str | None = None,
        chance: Callable[[], float] = random.random,
        goes_on: Callable[[], bool] = lambda: True,
    ) -> None:
        """Wire the ports.

        ``pool`` makes what sends all that an endpoint without an order gets at once: it is that
        endpoint's alone, so that one that hangs takes no other's threads. ``works`` says whether an
        org may use Tocsin. ``chance`` is from 0 to 1. When this process no longer ``goes_on``, what
        is being sent is the last.
        """
        self._log = log
        self._endpoints = endpoints
        self._sender = sender
        self._wakes = wakes
        self._clock = clock
        self._pool = pool
        self._works = works
        self._links = links
        self._public_url = public_url
        self._chance = chance
        self._goes_on = goes_on
        self._saving = Saving(endpoints, deliveries, clock)
        self._choosing = Choosing(log, self._saving)
        self._pausing = Pausing(endpoints, clock)
        self._looked: OrderedDict[tuple[str, str], tuple[str, int, bytes]] = OrderedDict()

    def __call__(self, org: str, id: str, report: Report, *, slow: bool = False) -> None:
        """Send what an endpoint is to be sent now; what that raises is in the report.

        ``slow``: where it holds up nobody else; elsewhere an endpoint that is slow is passed on.
        """
        if self.once(org, id, report, Room.at(self._clock.now_ms(), slow=slow)):
            self.pass_on(org, [id], report)

    def once(self, org: str, id: str, report: Report, room: Room, kept: Kept | None = None) -> bool:
        """Send what there is room for; return whether the endpoint is to be passed on.

        ``kept`` is the endpoint as it was a moment ago. What is raised is in the report.
        """
        try:
            return self._deliver(org, id, report, room, kept)
        except Lost:
            pass  # whoever has the lease goes on
        except Exception as error:  # whatever an org's data can raise
            report.note(org, id, error)
        return False

    def pass_on(self, org: str, ids: Sequence[str], report: Report) -> None:
        """Have endpoints gone on with where they hold up none of the quick."""
        try:
            self._wakes.wake(org, ids, slow=True)
        except Exception as error:
            for id in ids:
                report.note(org, id, error)

    def _deliver(self, org: str, id: str, report: Report, room: Room, kept: Kept | None) -> bool:
        if not self._works(org):
            return False
        for number in range(_TURNS):
            if not self._goes_on():
                return False
            kept = kept or self._endpoints.get(org, id)
            if kept is None or not kept.endpoint.active:
                return False
            if kept.progress.held(self._clock.now_ms()):
                return False  # who holds it looks once more; if that one is killed, the sweep does
            turn, kept = self._turn(kept, room, first=number == 0), None
            try:
                if not self._begin(turn):
                    return turn.more
                self._send_all_or_end(turn, report)
            except Stale:
                continue
            turn.went_on()
            self._end(turn)
            if turn.pause:
                reason, last = turn.pause
                if self._pausing(turn.endpoint, reason, last):
                    report.pause(turn.endpoint, last)
                return False
            if turn.more or not turn.sent:
                return turn.more
            if turn.at_rest and not self._goes_on_behind(turn.ahead):
                return False
        return True

    def _goes_on_behind(self, ahead: Ahead) -> bool:
        """Whether the ledger has anything behind a cursor, wanted or not."""
        try:
            return bool(self._log.after(ahead.endpoint.org, ahead.seq, ahead.hash))
        except Expired:
            return True

    def _turn(self, kept: Kept, room: Room, *, first: bool) -> Turn:
        endpoint, progress = kept.endpoint, kept.progress
        if endpoint.resumed_at_ms > progress.resumed_at_ms:
            progress = progress.resumed(endpoint.resumed_at_ms, endpoint.resumed_after_seq)
        seq, hash = progress.through_seq, progress.hash
        looked = self._looked.get((endpoint.org, endpoint.id))
        if looked and looked[0] == kept.progress.change and looked[1] > seq:
            seq, hash = looked[1:]  # in this process more of it is known to be hidden

        def in_time() -> bool:
            return not room.over(self._clock.now_ms())

        def current() -> bool:
            now = self._endpoints.get(endpoint.org, endpoint.id)
            return now is not None and now.endpoint.change == endpoint.change

        def again(one: Replay) -> tuple[Replay, Ahead]:
            """Return a replay as it can go: the rest is sent when its time comes."""
            to_seq = min(one.to_seq, progress.through_seq)
            after_seq = one.next_seq - 1
            return one, Ahead(self._log, endpoint, after_seq, b"", in_time, current, to_seq)

        return Turn(
            endpoint=endpoint,
            progress=progress,
            saved=kept.progress.change,
            ahead=Ahead(self._log, endpoint, seq, hash, in_time, current),
            room=room,
            replays={each.id: again(each) for each in kept.replays},
            first=first,
            resumed=progress is not kept.progress,
            due_ms=kept.progress.due_ms(),
            saved_at_ms=self._clock.now_ms(),
        )

    def _begin(self, turn: Turn) -> bool:
        """Claim the lease if there is anything to send now; or write what needed no sending.

        Raises:
            Stale: somebody else wrote meanwhile how far it is.
        """
        now_ms = self._clock.now_ms()
        if self._has_work(turn, now_ms):
            if self._too_slow(turn, now_ms):
                turn.more = True
                return False
            lease, until_ms = turn.room.new_lease(), now_ms + LEASE_MS
            turn.progress = replace(turn.progress, lease=lease, lease_until_ms=until_ms)
            if not self._saving.save(turn):
                raise Stale
            return True
        self._pass_over(turn, now_ms)
        turn.more = turn.over(self._clock.now_ms())  # it may be that there was no time to look
        return False

    def _too_slow(self, turn: Turn, now_ms: int) -> bool:
        return now_ms < turn.progress.slow_until_ms and not turn.room.slow

    def _has_work(self, turn: Turn, now_ms: int) -> bool:
        progress, strict = turn.progress, turn.strict
        if progress.due(now_ms, strict=strict):
            return True
        if not progress.room(now_ms, strict=strict):
            return False
        return turn.ahead.peek() is not None or bool(turn.replays)

    def _pass_over(self, turn: Turn, now_ms: int) -> None:
        """Write that nothing of what was looked at was to be sent, or remember it.

        It is written when much was, or when nothing has come since it was remembered.
        """
        looked = turn.saved, turn.ahead.seq, turn.ahead.hash
        hidden = turn.ahead.seq - turn.progress.through_seq
        quiet = hidden > 0 and self._looked.get(turn.place) == looked
        if hidden >= _HIDDEN_EVENTS or quiet or turn.resumed or turn.ahead.expired:
            turn.went_on()
            turn.progress = replace(turn.progress, lease="", lease_until_ms=0)
            self._saving.save(turn)
        elif hidden:
            self._looked[turn.place] = looked
            while len(self._looked) > _REMEMBERED:
                self._looked.popitem(last=False)

    def _send_all_or_end(self, turn: Turn, report: Report) -> None:
        try:
            with self._pool() as pool:  # its threads begin when there is something for them
                self._send_all(turn, report, pool)
        except Exception:
            self._end(turn)
            raise

    def _send_all(self, turn: Turn, report: Report, pool: Executor) -> None:
        """Send what there is, one after the other, until that is all or the time is over."""
        while sendings := self._choosing(turn, self._clock.now_ms()):
            for sending, answer, at_ms in self._sent(turn, sendings, pool):
                self._take(turn, sending, answer, at_ms, report)
            if turn.pause or not self._goes_on():
                return
            if turn.first and turn.at_rest and turn.ahead.taken:
                return  # it was all that there was: whoever releases the lease looks for more
            turn.first = False  # where more comes meanwhile, a look is less than another lease
            now_ms = self._clock.now_ms()
            unsaved_ms = now_ms - turn.saved_at_ms
            if len(turn.attempts) >= _SAVE_ATTEMPTS or not 0 <= unsaved_ms < _SAVE_MS:
                self._saving.write(turn)
                kept = self._endpoints.get(*turn.place)
                if kept is None or kept.endpoint.change != turn.endpoint.change:
                    turn.more = kept is not None  # as it is now
                    return
            if turn.over(now_ms) or self._too_slow(turn, now_ms):
                turn.more = True
                return

    def _sent(
        self, turn: Turn, sendings: Sequence[Sending], pool: Executor
    ) -> list[tuple[Sending, Answer | Exception, int]]:
        """Send, and return the answers with when they came; an exception is our own fault."""
        links = [self._links_of(turn.endpoint, sending) for sending in sendings]  # may be Busy
        if not 0 < turn.progress.lease_until_ms - self._clock.now_ms() <= LEASE_MS:
            raise Lost  # this process stood still, or its clock was set back
        turn.sent = True

        def send(sending: Sending, answers: Answers | None) -> Answer | Exception:
            try:
                request = outgoing(
                    turn.endpoint,
                    sending.events,
                    now_ms=self._clock.now_ms(),
                    attempt=turn.progress.tried(sending.unit) + 1,
                    attempt_id=str(uuid.uuid4()),
                    public_url=self._public_url,
                    links=answers,
                )
            except Exception as error:  # whatever an event can do to a format
                return error
            return self._sender.send(request)

        several = pool.map if len(sendings) > 1 else map
        some = list(several(send, sendings, links))
        now_ms = self._clock.now_ms()
        return [(sending, answer, now_ms) for sending, answer in zip(sendings, some, strict=True)]

    def _links_of(self, endpoint: Endpoint, sending: Sending) -> Answers | None:
        if not endpoint.links:
            return None
        event = canonical.parse(sending.events[0].entry)
        id = (event.get("data") or {}).get("approval_id")
        asks = event["type"] in _ASKS and event["source"] == "tocsin"
        return self._links(endpoint, id) if asks and isinstance(id, str) else None

    def _take(
        self,
        turn: Turn,
        sending: Sending,
        answer: Answer | Exception,
        at_ms: int,
        report: Report,
    ) -> None:
        """Take an answer as what it means."""
        tried, given_up = turn.progress.tried(sending.unit) + 1, True
        if isinstance(answer, Exception):
            report.note(*turn.place, answer)
            answer = Answer(0, 0, "unrendered")
            turn.progress = turn.progress.without(sending.unit, passed_over=1)
        else:
            after = turn.progress.after(sending.unit, answer, at_ms, self._chance())
            turn.progress, given_up = after
        if sending.step and sending.step.through_seq > turn.progress.through_seq:
            turn.progress = turn.progress.came_to(sending.step.through_seq, sending.step.hash)
        if sending.replayed:
            turn.move(*sending.replayed)
        attempt = _attempt(sending, answer, at_ms, tried, given_up=given_up)
        turn.attempts.append(attempt)
        report.attempted(attempt)
        if attempt.outcome is Outcome.GONE:
            turn.pause = "its receiver answered 410 Gone", attempt
        elif attempt.outcome is not Outcome.DELIVERED and turn.progress.must_pause(at_ms):
            turn.pause = f"nothing arrived for {PAUSE_AFTER_FAILING_DAYS} days", attempt

    def _end(self, turn: Turn) -> None:
        """Write how far it is, without the lease; have it looked at when something is due."""
        turn.progress = replace(turn.progress, lease="", lease_until_ms=0)
        self._saving.write(turn)
        due_ms, now_ms = turn.progress.due_ms(), self._clock.now_ms()
        new = due_ms != turn.due_ms and not turn.pause
        if new and now_ms < due_ms <= now_ms + _LONGEST_WAKE_MS:
            org, id = turn.place
            delay_seconds = -((now_ms - due_ms) // 1_000)
            self._wakes.wake(org, [id], delay_seconds=delay_seconds, slow=True)


def _attempt(
    sending: Sending, answer: Answer, at_ms: int, attempt: int, *, given_up: bool
) -> Attempt:
    event: dict[str, Any] = canonical.parse(sending.events[0].entry)
    return Attempt(
        seq=sending.unit.seq,
        until_seq=sending.unit.until_seq,
        event_id=event["id"],
        type=event["type"],
        attempt=attempt,
        at_ms=at_ms,
        outcome=outcome_of(answer),
        status=answer.status,
        latency_ms=answer.latency_ms,
        error=answer.error,
        excerpt=answer.excerpt,
        given_up=given_up,
    )
