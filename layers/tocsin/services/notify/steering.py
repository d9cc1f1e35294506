"""What admins do with an endpoint that is there: paused, resumed, rotated, tested, replayed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tocsin.domain.batch import Batch
from tocsin.domain.deliveries import Attempt, Replay
from tocsin.domain.endpoints import Endpoint, Status
from tocsin.domain.errors import Conflict, Invalid, LimitReached, OutcomeUnknown, Over
from tocsin.domain.ids import event_ids
from tocsin.domain.keys import ApiKey
from tocsin.domain.limits import MAX_REPLAYS
from tocsin.domain.receivers import RECEIVERS
from tocsin.domain.retention import Retention
from tocsin.ports.log import Journal, Ledger
from tocsin.ports.notify import Deliveries, Kept
from tocsin.services.intake.stamp import new_id, own_batch
from tocsin.services.notify.changing import Changing, told
from tocsin.services.notify.keeping import Signatures, new_secret, place
from tocsin.services.reading.since import seq_before

__all__ = ["Replayed", "Steering"]

_TRIES: Final = 3
_AGAIN_SECONDS: Final = 60

type Page = tuple[Sequence[Attempt], str]


@dataclass(frozen=True, slots=True)
class Replayed:
    """An endpoint and its new replay, which begins with the first event that is kept.

    ``expired_through_seq`` is the last of those that were asked for and are not; 0: all are.
    """

    kept: Kept
    replay: Replay
    expired_through_seq: int


class Steering:
    """The other use cases behind ``/api/v1/webhooks``. Everything blocks.

    All raise what :meth:`.changing.Changing.__call__` raises.
    """

    def __init__(
        self,
        changing: Changing,
        deliveries: Deliveries,
        ledger: Ledger,
        journal: Journal,
        signatures: Signatures,
        retention: Callable[[], Retention],
    ) -> None:
        self._changing = changing
        self._deliveries = deliveries
        self._ledger = ledger
        self._journal = journal
        self._signatures = signatures
        self._retention = retention

    def pause(self, key: ApiKey, id: str, reason: str) -> Kept:
        """Have nothing sent until it is resumed; nothing is told where it is paused already."""

        def plan(now: Kept, _: int) -> tuple[Endpoint, dict[str, Any] | None]:
            if not now.endpoint.active:
                return now.endpoint, None
            paused = replace(now.endpoint, status=Status.PAUSED, reason=reason)
            return paused, {"reason": reason}

        return self._changing(key, id, "paused", plan)

    def resume(self, key: ApiKey, id: str, *, skip_missed: bool) -> Kept:
        """Have it sent what it was not, all at once; or with ``skip_missed`` only what follows.

        So also one that is active and waits, after failures, to be tried again. Nothing is told
        where nothing waits.
        """

        def plan(now: Kept, at_ms: int) -> tuple[Endpoint, dict[str, Any] | None]:
            after_seq = self._ledger.head(key.org).seq if skip_missed else 0
            if now.endpoint.active and not now.waits(after_seq):
                return now.endpoint, None
            resumed = replace(
                now.endpoint,
                status=Status.ACTIVE,
                reason="",
                # Whoever sends takes note of a later one alone, whatever the clocks say.
                resumed_at_ms=max(at_ms, now.endpoint.resumed_at_ms + 1),
                resumed_after_seq=after_seq,
            )
            return resumed, {"after_seq": after_seq} if skip_missed else {}

        return self._changing(key, id, "resumed", plan)

    def rotate(self, key: ApiKey, id: str, secret: str, overlap_seconds: int) -> Kept:
        """Sign with another secret; with the one before it, too, for ``overlap_seconds``.

        Raises:
            Conflict: what it is sent is not signed.
            Refused: ``secret`` is given, and none.
        """
        new = new_secret(self._signatures, secret)  # before, so that a lost answer makes no other

        def plan(now: Kept, at_ms: int) -> tuple[Endpoint, dict[str, Any]]:
            if not RECEIVERS[now.endpoint.format].signed:
                raise Conflict(f"what is sent in the format {now.endpoint.format} is not signed")
            ends_at_ms = at_ms + overlap_seconds * 1_000
            rotated = now.endpoint.rotated(new, at_ms, ends_at_ms)
            return rotated, {"overlap_seconds": overlap_seconds}

        return self._changing(key, id, "rotated", plan)

    def test(self, key: ApiKey, id: str) -> str:
        """Have an event sent to it that nobody else is sent; return the event's id.

        Raises:
            Conflict: it is paused.
        """
        endpoint = self._changing.found(key, id).endpoint
        if not endpoint.active:
            raise Conflict("it is paused, and sent nothing: resume it first")
        batch_id = new_id(self._changing.clock.now_ms())
        batch, packed = own_batch(key.org, [told(key, endpoint, "test", {})], batch_id)
        for left in reversed(range(_TRIES)):
            try:
                self._journal.put(batch, packed)  # the same batch is stored once
                break
            except OutcomeUnknown:
                if not left:
                    raise
        return event_ids(batch_id, 1)[0]

    def replay(
        self, key: ApiKey, id: str, from_seq: int | None, to_seq: int | None, since: str | None
    ) -> Replayed:
        """Have it sent a part of the ledger once more, up to the head unless ``to_seq`` is given.

        Raises:
            Invalid, Malformed: it is no part of the ledger.
            Over: nothing of it is kept any more.
            LimitReached: it has :data:`.limits.MAX_REPLAYS` that are not at their end.
        """
        self._changing.found(key, id)
        if from_seq is None and since is None:
            raise _invalid("from_seq", "Give from_seq or since: where to begin")
        clock, org = self._changing.clock, key.org
        head = self._ledger.head(org).seq
        first = place(self._ledger, org, from_seq, since, clock.now_ms()) + 1
        last = head if to_seq is None else to_seq
        if last > head:
            raise _invalid("to_seq", f"The ledger ends at {head}")
        if first > last:
            raise _invalid("from_seq", f"There is nothing from {first} to {last}")
        expired_ms = self._retention().expired_before_ms
        kept_first = seq_before(self._ledger, org, expired_ms) + 1 if expired_ms > 0 else 1
        if kept_first > last:
            raise Over(f"the events before {kept_first} are older than the retention")
        begin = max(first, kept_first)
        replay = Replay(new_id(clock.now_ms()), begin, last)

        def plan(now: Kept, _: int) -> tuple[Endpoint, dict[str, Any]]:
            if len(now.replays) >= MAX_REPLAYS:
                raise LimitReached(
                    f"it has {MAX_REPLAYS} replays that are not at their end: wait for one",
                    _AGAIN_SECONDS,
                )
            return now.endpoint, {"from_seq": begin, "to_seq": last}

        def write(endpoint: Endpoint, was: str, batch: Batch, packed: bytes) -> bool:
            return self._changing.store.write(endpoint, was, batch, packed, replay=replay)

        done = self._changing(key, id, "replayed", plan, write)
        return Replayed(done, replay, begin - 1 if begin > first else 0)

    def deliveries(self, key: ApiKey, id: str, before: str, limit: int) -> Page:
        """Return what was attempted, newest first, and the place of what is before it."""
        self._changing.found(key, id)
        return self._deliveries.newest(key.org, id, before, limit)

    def given_up(self, key: ApiKey, id: str, before: str, limit: int) -> Page:
        """Return what was given up, as :meth:`deliveries` does."""
        self._changing.found(key, id)
        return self._deliveries.given_up(key.org, id, before, limit)


def _invalid(field: str, message: str) -> Invalid:
    return Invalid([{"field": field, "message": message}])
