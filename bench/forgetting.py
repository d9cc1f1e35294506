"""What it takes to be able to forget: events under keys of users, against events in clear.

The ingest service and the reading of a segment, in events a second of CPU time; behind the ports
are the tests' fakes. Each event names one of 500 users, whose keys exist; the journal's bytes are
those of a packed batch.
"""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any, override

from bench import traffic
from bench.lambdas import ORG, Tenant, rotating
from bench.report import number, ratio, show
from bench.timing import Variant, measure
from fakes.stores import FakeClock, FakeJournal, FakeLedger, FakeSubjects
from tocsin.domain.batch import Batch
from tocsin.domain.privacy import Privacy
from tocsin.domain.segment import SealedEvent
from tocsin.services.access.remembered import REMEMBERED_MS
from tocsin.services.intake.protecting import Protecting
from tocsin.services.reading import replay
from tocsin.services.reading.opening import OpenedJournal
from tocsin.services.sealing.seal import seal_batches

__all__ = ["main"]

_BODIES = 8  # different ones of each size, taken in turn
_USERS = 500


class _Journal(FakeJournal):
    """Knows how many bytes were put."""

    put_bytes = 0

    @override
    def put(self, batch: Batch, packed: bytes) -> None:
        self.put_bytes += len(packed)
        super().put(batch, packed)


class _House(Tenant):
    """An org whose events name users, and are forgettable or not."""

    def __init__(self, *, erasable: bool) -> None:
        self.journal, self.clock = _Journal(), FakeClock()
        self.subjects = FakeSubjects(self.journal)
        setting = Privacy(erasable=erasable)
        protecting = Protecting(lambda org: setting, self.subjects)
        super().__init__(self.journal, clock=self.clock, protecting=protecting)
        self.reader = OpenedJournal(self.journal, self.subjects, self.clock)

    def take(self, body: bytes) -> None:
        """Take a request in, and keep nothing of it."""
        self.ingest(self.request(body))
        self.journal.batches.clear()

    def sealed(self, bodies: Sequence[bytes]) -> Sequence[SealedEvent]:
        """Take requests in, and return their events as they are stored."""
        for body in bodies:
            self.ingest(self.request(body))
        ledger = FakeLedger()
        batches = [each for each in self.journal.batches.values() if isinstance(each, Batch)]
        seal_batches(ORG, batches, ledger, self.clock)
        return replay.read(ledger, self.journal, ORG, 0, limit=10_000, max_bytes=1 << 30)

    def shown(self, events: Sequence[SealedEvent], *, keys_read: bool) -> None:
        """Have these events opened for a reader; with ``keys_read`` no key is remembered."""
        if keys_read:
            self.clock.ms += REMEMBERED_MS + 1
        if len(self.reader.opened(ORG, events)) != len(events):
            raise RuntimeError("events are missing")


def main() -> None:
    """Measure and print."""
    taking, reading, stored = [], [], []
    for size in traffic.BATCHES:
        clear, keyed = _House(erasable=False), _House(erasable=True)
        bodies = _bodies(size)
        events, in_clear = keyed.sealed(bodies), clear.sealed(bodies)
        if len(events) != len(in_clear):
            raise RuntimeError("events are missing")
        plain, held = (each.journal.put_bytes / len(events) for each in (clear, keyed))
        stored.append((str(size), number(plain), number(held), ratio(held / plain)))
        rates = measure(
            {
                "clear": Variant(rotating(clear.take, bodies), size),
                "keyed": Variant(rotating(keyed.take, bodies), size),
                "known": Variant(partial(keyed.shown, events, keys_read=False), len(events)),
                "read": Variant(partial(keyed.shown, events, keys_read=True), len(events)),
            }
        )
        taken, before = rates["keyed"], rates["clear"]
        more = 1e6 / taken.typical - 1e6 / before.typical
        taking.append((str(size), number(taken.typical), ratio(taken.over(before)), number(more)))
        opened = (number(1e6 / rates[name].typical) for name in ("known", "read"))
        reading.append((str(len(events)), *opened))
    show(
        "Forgettable: events a second of CPU time that are taken in",
        ("batch", "under keys", "of that in clear", "µs an event more"),
        taking,
        (f"{_USERS} users, whose keys exist; each event says some 100 bytes of one.",),
    )
    show("Bytes an event in the journal", ("batch", "in clear", "under keys", "that is"), stored)
    show("Opened for a reader, µs an event", ("events", "keys remembered", "keys read"), reading)


def _bodies(size: int) -> list[bytes]:
    return [_with_users(body, place) for place, body in enumerate(traffic.bodies(size, _BODIES))]


def _with_users(body: bytes, place: int) -> bytes:
    content = json.loads(body)
    batch: list[dict[str, Any]] = content.get("events", [content])
    for user, event in enumerate(batch, place * len(batch)):
        event["user_id"] = f"user_{user * 7 % _USERS}"
        event.setdefault("data", {"q": "what was asked of an agent, in a sentence or so"})
    return traffic.body(batch)
