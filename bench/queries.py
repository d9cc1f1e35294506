"""What queries cost by the length of the ledger: read units and milliseconds, of each kind.

The ledgers hold a year of one org. They are sealed in this process, 1,000 events at a time, into
stores in memory that count each item at its size on DynamoDB: a read unit for 4 KB of what a query
returns, half of it where it need not be consistent. So the milliseconds are of this machine's CPU
alone, and what counts is that units do not follow the number of events.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from statistics import median, quantiles
from typing import Any

from bench.report import milliseconds, number, ratio, show
from bench.writeunits import item_size
from fakes.stores import FakeClock, FakeProjections, FakeSummaries
from tocsin.adapters.dynamodb import ledger as ledger_items
from tocsin.domain.batch import Batch, StoredBatch, UnreadableBatch, pack, unpack
from tocsin.domain.ids import new_batch_id
from tocsin.domain.keys import ApiKey, Scope
from tocsin.domain.org import Org
from tocsin.domain.projection import Item, Projected, place_of
from tocsin.domain.segment import Head, Segment, seal
from tocsin.domain.times import iso_ms
from tocsin.ports.log import Journal, Ledger
from tocsin.services.intake.stamp import entries_of
from tocsin.services.reading import selection
from tocsin.services.reading.costs import Costs
from tocsin.services.reading.indexes import Indexes
from tocsin.services.reading.past import Past
from tocsin.services.sealing.project import Projector
from tocsin.services.sealing.summaries import Summariser
from tocsin.wire import costs, indexes
from tocsin.wire.filters import Filter
from tocsin.wire.page import Page

__all__ = ["main"]

LENGTHS = (10_000, 1_000_000)
REPEATS = 20
BATCH = 1_000
_ORG, _YEAR_MS = "acme", 365 * 86_400_000
_START_MS = 1_774_000_000_000
_KEY = ApiKey(_ORG, "k", b"", frozenset({Scope.READ}), "bench", 0)
_UNIT_BYTES = 4_096
_NEWEST = "newest page"


class _Units:
    """The read units of what was read since it was set to 0."""

    def __init__(self) -> None:
        self.read = 0.0

    def add(self, size_bytes: int, *, consistent: bool = True) -> None:
        self.read += max(-(-size_bytes // _UNIT_BYTES), 1) * (1 if consistent else 0.5)


class _Journal(Journal):
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

    def put(self, batch: Batch, packed: bytes) -> None:
        """Nothing is received here."""
        raise NotImplementedError

    def between(self, org: str, after_id: str, until_id: str, limit: int) -> Sequence[StoredBatch]:
        """Nothing is swept here."""
        raise NotImplementedError


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


class _Projections(FakeProjections):
    """Items at their sizes on DynamoDB, in the order of lists; nothing changes once it is read."""

    def __init__(self, units: _Units) -> None:
        super().__init__()
        self._units = units

    def cursor(self, org: str, generation: int | None = None) -> Projected:
        self._units.add(200)
        return super().cursor(org, generation)

    def get(self, org: str, kind: str, id: str, generation: int = 0) -> Item | None:
        found = super().get(org, kind, id, generation)
        self._units.add(_size(id, found) if found else 0)
        return found

    def items(
        self, org: str, keys: Sequence[tuple[str, str]], generation: int
    ) -> Mapping[tuple[str, str], Item]:
        found = super().items(org, keys, generation)
        for key in keys:
            self._units.add(_size(key[1], found[key]) if key in found else 0)
        return found

    def newest(
        self, org: str, kind: str, before: str, limit: int, generation: int
    ) -> Sequence[tuple[str, Item]]:
        places, ids = self._listed(kind)
        end = bisect_left(places, before) if before else len(places)
        listed = ids[max(end - limit, 0) : end][::-1]
        self._units.add(100 * len(listed), consistent=False)
        found = self.items(org, [(kind, id) for id in listed], generation)
        return [(id, found[kind, id]) for id in listed]

    def between(
        self, org: str, kind: str, first_day: str, last_day: str, generation: int
    ) -> Iterator[tuple[str, Item]]:
        ids, items = self._sorted(kind)
        found = range(bisect_left(ids, first_day), bisect_left(ids, last_day + "~"))
        self._units.add(sum(_size(ids[each], items[each]) for each in found), consistent=False)
        yield from ((ids[each], items[each]) for each in found)

    @cache  # noqa: B019 (of two worlds, while the bench runs)
    def _listed(self, kind: str) -> tuple[list[str], list[str]]:
        listed = sorted((place_of(item), id) for id, item in zip(*self._sorted(kind), strict=True))
        return [place for place, _ in listed], [id for _, id in listed]

    @cache  # noqa: B019
    def _sorted(self, kind: str) -> tuple[list[str], list[Item]]:
        found = sorted((id, each) for (of, id), each in self.by_key[_ORG, 0].items() if of == kind)
        return [id for id, _ in found], [each for _, each in found]


class _Accounts:
    """The org and its quota: an item each."""

    def __init__(self, units: _Units) -> None:
        self._units = units

    def get(self, org: str) -> Org:
        self._units.add(200)
        return Org(org)

    def used(self, org: str, month: str) -> int:
        self._units.add(100)
        return 0


def _size(id: str, item: Item) -> int:
    texts = sum(len(name) + (len(v) if isinstance(v, str) else 4) for name, v in item.items())
    return len(_ORG) + 10 + len(id) + texts


class _World:
    """A ledger of so many events, with its summaries and projections."""

    def __init__(self, length: int) -> None:
        self.units, self.length = _Units(), length
        ledger, journal = _Ledger(self.units), _Journal(self.units)
        for first in range(0, length, BATCH):
            at_ms = _START_MS + (first + BATCH) * _YEAR_MS // length
            batch_id = new_batch_id(at_ms, (first + 1).to_bytes(10))
            seqs = range(first, first + BATCH)
            events = [_event(seq, _START_MS + seq * _YEAR_MS // length) for seq in seqs]
            entries = entries_of(events, batch_id, "k", at_ms, plain=True)
            batch = Batch(_ORG, batch_id, entries, "k", at_ms)
            journal.keep(batch)
            head = ledger.all[-1].head if ledger.all else Head.empty(_ORG)
            ledger.all.append(seal(_ORG, head, [batch], at_ms)[0])
        self.end_ms = at_ms
        self.summaries = _Summaries(self.units)
        self.ledger: Ledger = ledger  # type: ignore[assignment]
        self.journal = journal
        began = time.process_time()
        make = Summariser(ledger=self.ledger, journal=self.journal, summaries=self.summaries)
        while make(_ORG, length):
            pass
        self.made_us = (time.process_time() - began) * 1e6 / length
        self.past = Past(self.ledger, self.journal, _ORG, summaries=self.summaries)
        projections = _Projections(self.units)
        began = time.process_time()
        project = Projector(ledger=self.ledger, journal=self.journal, projections=projections)
        if project([_ORG]).broken:
            raise RuntimeError("the ledger can't be projected")
        self.projected_us = (time.process_time() - began) * 1e6 / length
        clock, accounts = FakeClock(self.end_ms), _Accounts(self.units)
        self.indexes = Indexes(projections, clock)
        orgs: Any = accounts
        self.costs = Costs(projections, orgs, orgs, clock)

    def ask(self, query: Callable[[], int]) -> tuple[float, float, int]:
        """Return the read units, the seconds and what a query returns."""
        self.units.read = 0
        began = time.perf_counter()
        count = query()
        return self.units.read, time.perf_counter() - began, count

    def page(self, page: Page) -> int:
        """Read a page, and return how many events it has."""
        looking, found = selection.page_of(self.past, None, page, self.end_ms), None
        while found is None:
            try:
                next(looking)
            except StopIteration as end:
                found = end.value
        return sum(map(len, found.read(self.past)))


def main() -> None:
    """Measure and print."""
    rows: list[tuple[str, ...]] = []
    made: list[str] = []
    for length in LENGTHS:
        world = _World(length)
        made.append(f"{number(world.made_us)} and {number(world.projected_us)} at {length:,}")
        newest = 0.0
        for name, query in _queries(world):
            world.ask(query)  # what is sorted once is sorted
            asked = [world.ask(query) for _ in range(REPEATS)]
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
        "Queries by the length of the ledger: pages are of 50",
        ("", "events", "found", "read units", f"of {_NEWEST}", "p50, ms", "p99, ms"),
        rows,
        (
            "rare: one event in 20,000; denied exec: one in 2,000; last month: 30 of 365 days.",
            "costs: a week's sum; a week by agent; a year by month, of all and of one agent.",
            "An item is a day, or an agent's day, with the hours in which there was something.",
            f"To make summaries and to project take, in µs of CPU an event: {', '.join(made)}.",
        ),
    )


def _queries(world: _World) -> Iterator[tuple[str, Callable[[], int]]]:
    for name, page in _pages(world):
        yield name, partial(world.page, page)
    sessions, agents = partial(world.indexes.sessions, _KEY), partial(world.indexes.agents, _KEY)
    yield "sessions", lambda: len(sessions(indexes.Asked())["data"])
    second = sessions(indexes.Asked())["next_cursor"]
    yield "sessions, second page", lambda: len(sessions(indexes.Asked(cursor=second))["data"])
    yield "one session", lambda: len([world.indexes.session(_KEY, "session-7")])
    yield "agents", lambda: len(agents(indexes.Asked())["data"])
    yield "one agent", lambda: len([world.indexes.agent(_KEY, "agent-3")])
    end = datetime.fromtimestamp(world.end_ms / 1_000, UTC)
    end = end.replace(minute=0, second=0, microsecond=0)
    week = costs.Asked(end - timedelta(7), end)
    year = replace(week, start=end - timedelta(364), granularity="month")
    yield "costs, summary", lambda: len([world.costs.summary(_KEY, week)])
    yield "costs, breakdown", lambda: len(world.costs.breakdown(_KEY, week)["data"])
    yield "costs, timeseries", lambda: len(world.costs.timeseries(_KEY, year)["data"])
    of_one = replace(year, agent_id="agent-3")
    yield "costs, of one agent", lambda: len(world.costs.timeseries(_KEY, of_one)["data"])
    yield "usage", lambda: len([world.costs.usage(_KEY)])


def _pages(world: _World) -> Iterator[tuple[str, Page]]:
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
        "timestamp": iso_ms(at_ms),
        "tool_name": tool,
        "action": "deny" if seq % 2_000 in (5, 7) else "allow",
        "agent_id": "rare" if seq % 20_000 == 9 else f"agent-{seq * 7 % 23}",
        "session_id": f"session-{seq // 100}",
        "trace_id": f"trace-{seq // 4}",
        "user_id": f"user-{seq * 31 % 400}",
        "model": f"model-{seq % 4}",
        "total_tokens": seq % 1_000,
    }
