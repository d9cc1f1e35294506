"""What lists cost by the length of the ledger: read units and milliseconds, of each kind of query.

The ledgers hold a year of one org. They are sealed in this process, 1,000 events at a time, into
stores in memory that count each item at its size on DynamoDB: a read unit for 4 KB of what a query
returns, half of it where it need not be consistent. So the milliseconds are of this machine's CPU
alone, and what counts is that units do not follow the number of events.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from statistics import median, quantiles
from typing import Any

from bench.report import milliseconds, number, ratio, show
from bench.writeunits import item_size
from fakes.stores import FakeSummaries
from tocsin.adapters.dynamodb import ledger as ledger_items
from tocsin.domain.batch import Batch, UnreadableBatch, pack, unpack
from tocsin.domain.ids import new_batch_id
from tocsin.domain.segment import Head, Segment, seal
from tocsin.domain.times import iso_ms
from tocsin.ports.log import Journal, Ledger
from tocsin.services.intake.stamp import entries_of
from tocsin.services.reading import selection
from tocsin.services.reading.past import Past
from tocsin.services.sealing.summaries import Summariser
from tocsin.wire.filters import Filter
from tocsin.wire.page import Page

__all__ = ["main"]

LENGTHS = (10_000, 1_000_000)
REPEATS = 20
BATCH = 1_000
_ORG, _DAYS = "acme", 365
_START_MS = 1_774_000_000_000
_UNIT_BYTES = 4_096
_NEWEST = "newest page"


class _Units:
    """The read units of what was read since it was set to 0."""

    def __init__(self) -> None:
        self.read = 0.0

    def add(self, size_bytes: int, *, consistent: bool = True) -> None:
        self.read += max(-(-size_bytes // _UNIT_BYTES), 1) * (1 if consistent else 0.5)


class _Journal:
    """Batches as they are stored: packed."""

    def __init__(self, units: _Units) -> None:
        self._units = units
        self._stored: dict[str, tuple[Batch, bytes]] = {}

    def keep(self, batch: Batch) -> None:
        bare = Batch(batch.org, batch.id, (), batch.key_id, batch.received_at_ms)
        self._stored[batch.id] = bare, pack(batch.entries)

    def get(self, org: str, batch_ids: Sequence[str]) -> Mapping[str, Batch | UnreadableBatch]:
        found: dict[str, Batch | UnreadableBatch] = {}
        for each in batch_ids:
            bare, packed = self._stored[each]
            entries = unpack(packed, BATCH)
            found[each] = Batch(org, each, entries, bare.key_id, bare.received_at_ms)
        self._units.add(sum(len(self._stored[each][1]) + 100 for each in batch_ids))
        return found


class _Ledger:
    """Segments by their first seqs; each has one batch here, so that they are found by division."""

    def __init__(self, units: _Units) -> None:
        self._units = units
        self.all: list[Segment] = []

    def head(self, org: str) -> Any:
        self._count(self.all[-1:])
        return self.all[-1].head

    def segments(self, org: str, from_seq: int, limit: int) -> Sequence[Segment]:
        place = max(from_seq - 1, 0) // BATCH
        self._count(self.all[place : place + 1])  # the adapter asks for it by itself
        self._count(self.all[place + 1 : place + limit])
        return self.all[place : place + limit]

    def segments_before(self, org: str, until_seq: int, limit: int) -> Sequence[Segment]:
        place = min((until_seq - 1) // BATCH + 1, len(self.all))
        found = self.all[max(place - limit, 0) : place][::-1]
        self._count(found)
        return found

    def _count(self, found: Sequence[Segment]) -> None:
        self._units.add(sum(item_size(ledger_items._item(each)) for each in found))


class _Summaries(FakeSummaries):
    def __init__(self, units: _Units) -> None:
        super().__init__()
        self._units = units

    def get(self, org: str, level: int, numbers: range) -> Mapping[int, bytes]:
        found = super().get(org, level, numbers)
        self._units.add(sum(len(each) + 60 for each in found.values()), consistent=False)
        return found


class _World:
    """A ledger of so many events, with its summaries."""

    def __init__(self, length: int) -> None:
        self.units, self.length = _Units(), length
        ledger, journal = _Ledger(self.units), _Journal(self.units)
        for first in range(0, length, BATCH):
            at_ms = _START_MS + first * _DAYS * 86_400_000 // length
            batch_id = new_batch_id(at_ms, (first + 1).to_bytes(10))
            events = [_event(seq, at_ms) for seq in range(first, first + BATCH)]
            entries = entries_of(events, batch_id, "k", at_ms, plain=True)
            batch = Batch(_ORG, batch_id, entries, "k", at_ms)
            journal.keep(batch)
            head = ledger.all[-1].head if ledger.all else Head.empty(_ORG)
            ledger.all.append(seal(_ORG, head, [batch], at_ms)[0])
        self.end_ms = at_ms
        self.summaries = _Summaries(self.units)
        self.ledger: Ledger = ledger  # type: ignore[assignment]
        self.journal: Journal = journal  # type: ignore[assignment]
        began = time.process_time()
        make = Summariser(ledger=self.ledger, journal=self.journal, summaries=self.summaries)
        while make(_ORG, length):
            pass
        self.made_us = (time.process_time() - began) * 1e6 / length
        self.past = Past(self.ledger, self.journal, _ORG, summaries=self.summaries)

    def ask(self, page: Page) -> tuple[float, float, int]:
        """Return the read units, the seconds and how many events a page has."""
        self.units.read = 0
        began = time.perf_counter()
        looking, found = selection.page_of(self.past, None, page, self.end_ms), None
        while found is None:
            try:
                next(looking)
            except StopIteration as end:
                found = end.value
        count = sum(map(len, found.read(self.past)))
        return self.units.read, time.perf_counter() - began, count


def main() -> None:
    """Measure and print."""
    rows: list[tuple[str, ...]] = []
    costs: list[str] = []
    for length in LENGTHS:
        world = _World(length)
        costs.append(f"{number(world.made_us)} at {length:,}")
        newest = 0.0
        for name, page in _queries(world):
            asked = [world.ask(page) for _ in range(REPEATS)]
            units, _, count = asked[0]
            newest = newest or units
            seconds = [each[1] for each in asked]
            rows.append(
                (
                    name,
                    f"{length:,}",
                    str(count),
                    number(units),
                    ratio(units / newest),
                    milliseconds(median(seconds)),
                    milliseconds(quantiles(seconds, n=100)[98]),
                )
            )
    show(
        "Lists by the length of the ledger: a page of 50",
        ("", "events", "found", "read units", f"of {_NEWEST}", "p50, ms", "p99, ms"),
        rows,
        (
            "rare: one event in 20,000; denied exec: one in 2,000; last month: 30 of 365 days.",
            f"To make summaries takes, in µs of CPU an event: {', '.join(costs)}.",
        ),
    )


def _queries(world: _World) -> Iterator[tuple[str, Page]]:
    month_ms = 30 * 86_400_000
    yield _NEWEST, Page()
    yield "by agent", Page(filter=Filter(agent_id="agent-3"))
    yield "by a rare agent", Page(filter=Filter(agent_id="rare"))
    yield "by an old session", Page(filter=Filter(session_id="session-7"))
    yield (
        "denied exec of last month",
        Page(
            filter=Filter(action="deny", tool_name="exec"),
            from_ms=world.end_ms - 2 * month_ms,
            to_ms=world.end_ms - month_ms,
        ),
    )
    yield "no such tool", Page(filter=Filter(tool_name="never"))
    yield "no such trace", Page(filter=Filter(trace_id="never"))


def _event(seq: int, at_ms: int) -> dict[str, Any]:
    tool = ("exec", "read", "write", "search", "http")[seq % 5]
    return {
        "type": "tool_call",
        "timestamp": iso_ms(at_ms + seq % 1_000),
        "tool_name": tool,
        "action": "deny" if seq % 2_000 in (5, 7) else "allow",
        "agent_id": "rare" if seq % 20_000 == 9 else f"agent-{seq * 7 % 23}",
        "session_id": f"session-{seq // 100}",
        "trace_id": f"trace-{seq // 4}",
        "user_id": f"user-{seq * 31 % 400}",
        "model": f"model-{seq % 4}",
        "total_tokens": seq % 1_000,
    }
