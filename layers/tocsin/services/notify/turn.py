"""A turn: an endpoint's lease is held, something is sent, and how far it is then is written."""

import secrets
from dataclasses import dataclass, field, replace
from typing import Final

from tocsin.domain.deliveries import Attempt, Progress, Replay, Unit
from tocsin.domain.endpoints import Endpoint, Order
from tocsin.domain.errors import OutcomeUnknown
from tocsin.domain.segment import SealedEvent
from tocsin.ports.notify import Deliveries, Endpoints
from tocsin.ports.world import Clock
from tocsin.services.notify.reading import Ahead, Step

__all__ = ["Lost", "Room", "Saving", "Sending", "Turn"]

_BEGIN_MS: Final = 3_000  # then none of a message's endpoints is begun any more
_QUICK_MS: Final = 3_000  # then nothing more is begun among the quick
_SLOW_MS: Final = 25_000  # the same beside them; what was begun may take 15 seconds


class Lost(Exception):
    """The lease is another's, or the endpoint is gone: nothing is written any more."""


@dataclass(frozen=True, slots=True)
class Room:
    """How long something may be begun, from ``begun_ms`` on: a clock that is set back ends it, too.

    Among the quick it is at a ``place``; without one it is ``slow``, where it holds up nobody else.
    """

    begun_ms: int
    place: str = ""

    @classmethod
    def at(cls, now_ms: int, *, slow: bool) -> "Room":
        """Return one that begins now."""
        return cls(now_ms, "" if slow else secrets.token_hex(4))

    @property
    def slow(self) -> bool:
        """Whether it is beside the quick."""
        return not self.place

    def begins(self, now_ms: int) -> bool:
        """Whether another endpoint may be begun."""
        return self.begun_ms <= now_ms < self.begun_ms + _BEGIN_MS

    def over(self, now_ms: int) -> bool:
        """Whether nothing more is to be begun, of no endpoint."""
        return not self.begun_ms <= now_ms < self.begun_ms + (_SLOW_MS if self.slow else _QUICK_MS)

    def new_lease(self) -> str:
        """Return the name of a lease that is held here."""
        token = secrets.token_hex(8)
        return token if self.slow else f"{self.place}.{token}"


@dataclass(frozen=True, slots=True)
class Sending:
    """What is about to be sent. It moves the cursor to ``step``'s end, if there is one.

    ``replayed`` is a replay's id, and the seq with which that goes on then.
    """

    unit: Unit
    events: tuple[SealedEvent, ...]
    step: Step | None = None
    replayed: tuple[str, int] | None = None


@dataclass(slots=True)
class Turn:
    """An endpoint whose lease is held; ``saved`` is the change of its progress as it is stored."""

    endpoint: Endpoint
    progress: Progress
    saved: str
    ahead: Ahead
    room: Room
    replays: dict[str, tuple[Replay, Ahead]]
    first: bool  # of those for which somebody was woken
    resumed: bool  # since it was written
    due_ms: int  # when something was to be tried again, as it was known before
    saved_at_ms: int
    attempts: list[Attempt] = field(default_factory=list)
    moved: set[str] = field(default_factory=set)  # the replays that are to be written
    sent: bool = False
    more: bool = False
    pause: tuple[str, Attempt] | None = None

    @property
    def place(self) -> tuple[str, str]:
        """The org and the endpoint's id."""
        return self.endpoint.org, self.endpoint.id

    def over(self, now_ms: int) -> bool:
        """Whether nothing more is to be begun."""
        return self.room.over(now_ms)

    @property
    def strict(self) -> bool:
        """Whether nothing passes what fails."""
        return self.endpoint.order is Order.STRICT

    @property
    def at_rest(self) -> bool:
        """Whether it waits for nothing but what is sealed."""
        progress = self.progress
        return not (progress.failing or progress.hold_until_ms or self.replays)

    def move(self, id: str, next_seq: int) -> None:
        """Take what a replay has before a seq as sent."""
        if id not in self.replays:
            return  # it was at its end when that was written
        replay, ahead = self.replays[id]
        self.replays[id] = replace(replay, next_seq=next_seq), ahead
        self.moved.add(id)

    def went_on(self) -> None:
        """Take what the cursor passed over as done."""
        if self.ahead.seq > self.progress.through_seq:
            self.progress = self.progress.came_to(self.ahead.seq, self.ahead.hash)
        if self.ahead.expired:
            passed_over = self.progress.passed_over + self.ahead.expired
            self.progress, self.ahead.expired = replace(self.progress, passed_over=passed_over), 0


class Saving:
    """Writes turns. It blocks."""

    def __init__(self, endpoints: Endpoints, deliveries: Deliveries, clock: Clock) -> None:
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._clock = clock

    def write(self, turn: Turn) -> None:
        """Write what was attempted and how far it is.

        Raises:
            Lost: the lease is another's, or the endpoint is gone.
            Busy: it may or may not have been written.
        """
        now_ms = self._clock.now_ms()
        if turn.attempts:
            self._deliveries.put(*turn.place, turn.attempts, now_ms)
            turn.attempts = []
        if not self.save(turn):
            raise Lost
        turn.saved_at_ms = now_ms
        for id in sorted(turn.moved):
            replay, ahead = turn.replays[id]
            if ahead.ended and replay.next_seq > ahead.seq:
                self._endpoints.drop_replay(*turn.place, id)
                del turn.replays[id]
            else:
                self._endpoints.save_replay(*turn.place, replay)
            turn.moved.discard(id)

    def save(self, turn: Turn) -> bool:
        """Write how far an endpoint is; False: its lease is another's, or it is gone."""
        turn.progress = replace(turn.progress, change=secrets.token_hex(8))
        try:
            saved = self._endpoints.save(*turn.place, turn.saved, turn.progress)
        except OutcomeUnknown:
            kept = self._endpoints.get(*turn.place)
            if kept is None or kept.progress.change not in (turn.saved, turn.progress.change):
                return False
            if kept.progress.change == turn.saved:
                raise
            saved = True
        turn.saved = turn.progress.change
        return saved
