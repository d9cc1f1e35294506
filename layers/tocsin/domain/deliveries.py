"""How far an endpoint is, and what the answers of its receiver do to that. All times are Unix ms.

A *unit* is what is sent at once: one event; for an export, a run of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from tocsin.domain.limits import (
    DELIVERY_ATTEMPTS,
    MAX_FAILING_DELIVERIES,
    PAUSE_AFTER_FAILING_DAYS,
)

__all__ = [
    "ATTEMPT_DELAYS_SECONDS",
    "LEASE_MS",
    "SKEW_MS",
    "Answer",
    "Attempt",
    "Failing",
    "Outcome",
    "Outgoing",
    "Progress",
    "Replay",
    "Unit",
    "outcome_of",
]

ATTEMPT_DELAYS_SECONDS: Final = (
    *(5, 60, 5 * 60, 30 * 60),
    *(2 * 3600, 6 * 3600, 12 * 3600, 20 * 3600, 30 * 3600),
)
"""Between an attempt and the next, before jitter: three days in all."""

LEASE_MS: Final = 55_000
"""How long whoever claims an endpoint may send: less than the function's time."""

SKEW_MS: Final = 5_000
"""By which the clocks of two who claim may differ."""

_JITTER: Final = 0.2  # of a delay, more or less
_SLOWED: Final = frozenset({429, 502, 503, 504})
_LONGEST_HOLD_MS: Final = 24 * 3_600_000  # that a Retry-After is honoured for
_FIRST_HOLD_MS: Final = 1_000
_LONGEST_OWN_HOLD_MS: Final = 300_000
_FREE_FAILURES: Final = 3  # in a row, before the endpoint as a whole is left alone for a while
_LONGEST_UNTRIED_SECONDS: Final = 600
_SLOW_MS: Final = 2_000  # an answer that takes longer is slow
_SLOW_FOR_MS: Final = 600_000


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One request: a URL (https, mailto or s3), headers, and a body. Secrets are in it."""

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request.

    ``status`` is HTTP's, 0 where none came; then ``error`` says why, in a word: ``timeout``,
    ``refused``, ``reset``, ``tls``, ``protocol``, ``blocked`` (the address may not be connected
    to), ``nonexistent`` (there is certainly no such name, or it has no address) or ``unresolved``
    (the name's addresses can't be found out now, which is not the endpoint's fault).
    ``retry_after_ms`` is what the answer asks for, from its arrival on. ``excerpt`` is the
    beginning of its body, redacted: 256 bytes at most.
    """

    status: int
    latency_ms: int
    error: str = ""
    retry_after_ms: int = 0
    excerpt: str = ""


class Outcome(StrEnum):
    """What an answer means."""

    DELIVERED = "delivered"
    FAILED = "failed"
    SLOWED = "slowed"  # it failed, and the receiver wants to be left alone
    GONE = "gone"  # the receiver wants nothing any more
    UNTRIED = "untried"  # nothing was found out about the receiver


def outcome_of(answer: Answer) -> Outcome:
    """Return what an answer means."""
    if answer.error == "unresolved":
        return Outcome.UNTRIED
    if 200 <= answer.status < 300 and not answer.error:
        return Outcome.DELIVERED
    if answer.status == 410:
        return Outcome.GONE
    return Outcome.SLOWED if answer.status in _SLOWED else Outcome.FAILED


@dataclass(frozen=True, slots=True)
class Unit:
    """What is sent at once: the events from one seq to another, both included."""

    seq: int
    until_seq: int


@dataclass(frozen=True, slots=True)
class Failing:
    """A unit that was tried in vain, and will be again."""

    seq: int
    until_seq: int
    attempts: int
    due_ms: int
    first_ms: int

    @property
    def unit(self) -> Unit:
        """What is tried again."""
        return Unit(self.seq, self.until_seq)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt, as it is listed. ``seq`` is its unit's first; ``type`` that event's."""

    seq: int
    until_seq: int
    event_id: str
    type: str
    attempt: int
    at_ms: int
    outcome: Outcome
    status: int
    latency_ms: int
    error: str = ""
    excerpt: str = ""
    given_up: bool = False


@dataclass(frozen=True, slots=True)
class Replay:
    """A part of the ledger that is sent once more, as far as it is not sent yet."""

    id: str
    next_seq: int
    to_seq: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an endpoint is.

    Everything up to ``through_seq`` was sent, hidden by its filter or passed over, except what is
    ``failing``; ``hash`` is the ledger's there, or empty. Nothing is sent before ``hold_until_ms``.
    ``streak`` failures came in a row, the first at ``failing_since_ms`` (0: none). An endpoint is
    slow until ``slow_until_ms``. Whoever holds the ``lease`` may send until ``lease_until_ms``, and
    is the only one who writes this; before a full stop it names a place among the quick, if it is
    held there. ``resumed_at_ms`` is the endpoint's when that was last taken note of.
    """

    through_seq: int
    hash: bytes = b""
    failing: tuple[Failing, ...] = ()
    hold_until_ms: int = 0
    streak: int = 0
    failing_since_ms: int = 0
    slow_until_ms: int = 0
    lease: str = ""
    lease_until_ms: int = 0
    delivered: int = 0
    passed_over: int = 0
    delivered_at_ms: int = 0
    resumed_at_ms: int = 0
    change: str = ""

    def due_ms(self) -> int:
        """Return when something that failed is to be tried again; 0: nothing is."""
        if not self.failing:
            return self.hold_until_ms
        return max(min(each.due_ms for each in self.failing), self.hold_until_ms)

    def due(self, now_ms: int, *, strict: bool) -> tuple[Failing, ...]:
        """Return what is to be tried again now, the first seq first.

        If ``strict``, only the first that failed may be.
        """
        if now_ms < self.hold_until_ms:
            return ()
        first = self.failing[:1] if strict else self.failing
        return tuple(each for each in first if each.due_ms <= now_ms)

    def tried(self, unit: Unit) -> int:
        """Return how often a unit was tried already."""
        before, _ = self._apart(unit)
        return before.attempts if before else 0

    def room(self, now_ms: int, *, strict: bool) -> int:
        """Return how many units of what follows may be sent now: so many more could fail."""
        if now_ms < self.hold_until_ms:
            return 0
        if strict:
            return int(not self.failing)
        return max(MAX_FAILING_DELIVERIES - len(self.failing), 0)

    def held(self, now_ms: int) -> bool:
        """Whether somebody may be sending now.

        One that ends later than any can was written by a clock that was wrong, and holds up nobody.
        """
        return bool(self.lease) and now_ms - SKEW_MS < self.lease_until_ms < now_ms + 2 * LEASE_MS

    def place(self, now_ms: int) -> str:
        """Return the place among the quick at which somebody may be sending now; "": at none."""
        return self.lease.partition(".")[0] if "." in self.lease and self.held(now_ms) else ""

    def must_pause(self, now_ms: int) -> bool:
        """Whether everything has failed for too long."""
        return 0 < self.failing_since_ms <= now_ms - PAUSE_AFTER_FAILING_DAYS * 86_400_000

    def came_to(self, through_seq: int, hash: bytes) -> "Progress":
        """Return how far it is when everything up to a seq needs no sending, or failed."""
        return replace(self, through_seq=through_seq, hash=hash)

    def without(self, unit: Unit, *, passed_over: int = 0) -> "Progress":
        """Return how far it is when a unit is not tried again, though perhaps never sent."""
        _, others = self._apart(unit)
        return replace(self, failing=others, passed_over=self.passed_over + passed_over)

    def before_sending(self, unit: Unit, now_ms: int) -> "Progress":
        """Return how far it is when a unit is about to be sent: each try sends the same then.

        One that failed before, and is replayed, is the same.
        """
        before, others = self._apart(unit)
        begun = before or Failing(unit.seq, unit.until_seq, 0, now_ms, now_ms)
        return replace(self, failing=_with(others, replace(begun, due_ms=now_ms)))

    def resumed(self, at_ms: int, after_seq: int) -> "Progress":
        """Return how far it is when a person says that it works now: all is tried at once.

        What came before ``after_seq`` and was not sent is left out; 0: nothing is.
        """
        kept = (each for each in self.failing if each.until_seq > after_seq)
        failing = tuple(replace(each, due_ms=0) for each in kept)
        now = replace(
            self,
            failing=failing,
            hold_until_ms=0,
            streak=0,
            failing_since_ms=0,
            resumed_at_ms=at_ms,
        )
        return now.came_to(after_seq, b"") if after_seq > self.through_seq else now

    def after(
        self, unit: Unit, answer: Answer, now_ms: int, random: float
    ) -> tuple["Progress", bool]:
        """Return how far it is after an attempt, and whether the unit is given up.

        ``random`` is from 0 to 1.
        """
        outcome = outcome_of(answer)
        before, others = self._apart(unit)
        slow = answer.latency_ms >= _SLOW_MS or outcome in (Outcome.FAILED, Outcome.SLOWED)
        slow_until_ms = now_ms + _SLOW_FOR_MS if slow else self.slow_until_ms
        if outcome is Outcome.DELIVERED:
            healthy = replace(
                self,
                failing=others,
                hold_until_ms=0,
                streak=0,
                failing_since_ms=0,
                slow_until_ms=slow_until_ms,
                delivered=self.delivered + 1,
                delivered_at_ms=now_ms,
            )
            return healthy, False
        tried = before.attempts if before else 0
        first_ms = before.first_ms if before else now_ms
        if outcome is Outcome.UNTRIED:
            delay_ms = _jittered(_untried_seconds(now_ms - first_ms), random)
            failed = Failing(unit.seq, unit.until_seq, tried, now_ms + delay_ms, first_ms)
            return replace(self, failing=_with(others, failed)), False
        tried += 1
        given_up = tried >= DELIVERY_ATTEMPTS
        delay_ms = 0 if given_up else _jittered(ATTEMPT_DELAYS_SECONDS[tried - 1], random)
        failed = Failing(unit.seq, unit.until_seq, tried, now_ms + delay_ms, first_ms)
        streak = self.streak + 1
        hold_ms = _hold_ms(streak, answer, outcome, random)
        after = replace(
            self,
            failing=others if given_up else _with(others, failed),
            hold_until_ms=max(self.hold_until_ms, now_ms + hold_ms if hold_ms else 0),
            streak=streak,
            # Of one that is sent little, a failure long after the last is no failure all the while.
            failing_since_ms=0 if given_up and not others else self.failing_since_ms or now_ms,
            slow_until_ms=slow_until_ms,
            passed_over=self.passed_over + given_up,
        )
        return after, given_up

    def _apart(self, unit: Unit) -> tuple[Failing | None, tuple[Failing, ...]]:
        """Return a unit that failed, None if it did not, and the others that did."""
        found = next((each for each in self.failing if each.unit == unit), None)
        return found, tuple(each for each in self.failing if each is not found)


def _jittered(seconds: float, random: float) -> int:
    """Return a delay in milliseconds, a fifth more or less."""
    return round(seconds * 1_000 * (1 + _JITTER * (2 * random - 1)))


def _untried_seconds(for_ms: int) -> float:
    """Return after how long it is tried again, where nothing was found out for some time."""
    return min(max(ATTEMPT_DELAYS_SECONDS[0], for_ms / 4_000), _LONGEST_UNTRIED_SECONDS)


def _hold_ms(streak: int, answer: Answer, outcome: Outcome, random: float) -> int:
    """Return for how long an endpoint as a whole is left alone after a failure."""
    beyond = streak - (0 if outcome is Outcome.SLOWED else _FREE_FAILURES)
    own_ms = 0
    if beyond > 0:
        own_ms = min(_FIRST_HOLD_MS << min(beyond - 1, 20), _LONGEST_OWN_HOLD_MS)
        own_ms = _jittered(own_ms / 1_000, random)
    return max(own_ms, min(answer.retry_after_ms, _LONGEST_HOLD_MS))


def _with(failing: Sequence[Failing], one: Failing) -> tuple[Failing, ...]:
    return tuple(sorted((*failing, one), key=lambda each: each.seq))
