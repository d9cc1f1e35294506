"""What events cost to keep: bytes in the journal, and DynamoDB write units.

The deployed code (the ingest use case and fan-out over the DynamoDB adapters) runs against
MiniStack at a steady rate, on a clock of its own. :mod:`bench.writeunits` computes from each item
written what it costs on DynamoDB; what MiniStack reports is the check. The straightforward way
keeps an item per event and nothing else: no quota, no order, no proof, no indexes.
"""

from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench import straightforward, traffic
from bench.lambdas import ORG, Tenant
from bench.report import number, ratio, show
from bench.unsent import Recorder
from bench.writeunits import Meter, item_size, write_units
from fakes.stores import FakeClock, FakeSetAside
from support.ministack import Server, dynamodb_server
from tocsin.adapters.dynamodb.journal import DynamoJournal, batch_of_image
from tocsin.adapters.dynamodb.ledger import DynamoLedger
from tocsin.adapters.dynamodb.projections import PARTITIONS, DynamoProjections
from tocsin.adapters.dynamodb.quota import DynamoQuota
from tocsin.domain.batch import Batch
from tocsin.local.tables import create
from tocsin.services.sealing.fanout import Fanout
from tocsin.services.sealing.project import Projector
from tocsin.settings import StoreSettings

__all__ = ["main"]

EVENTS_PER_SECOND = 100
SEALS_PER_SECOND = 4  # how often Lambda looks at a shard of a stream
WARM_UP_SECONDS = 3  # in which the sessions and agents are first seen
WINDOW_SECONDS = 10  # how long the project function's mapping collects
COUNTED_SECONDS = WINDOW_SECONDS  # one run of the projections
BYTES_BATCHES = 40  # requests of each size and shape
_JOURNAL, _LEDGER, _STATE = "journal", "ledger", "state"
_COLUMNS = {
    "journal": (_JOURNAL,),
    "quota": ("quota",),
    "segments": ("segment",),
    "markers": ("marker",),
    "projections": ("projected", *PARTITIONS),
}
_INDEXES = ("session_id", "agent_id")
_REST = ("minute",)  # one in 6,000 events: falls into the warm-up


def main() -> None:
    """Measure and print."""
    show(
        "Bytes per event",
        ("shape", "batch", "sent", "entry", "journal item", "an item per event", "ratio"),
        [_bytes(shape, size) for shape in (*traffic.SHAPES, None) for size in traffic.BATCHES],
        (
            "sent: in the request's body; entry: canonical JSON, stamped; journal item: all of it,",
            "  keys and names included; an item per event: the same fields as attributes.",
        ),
    )
    with dynamodb_server() as server:
        counted = {size: _units(server, size) for size in traffic.BATCHES}
    show(
        f"DynamoDB write units per event ({EVENTS_PER_SECOND} events/s in one org, sealed "
        f"{SEALS_PER_SECOND} times a second)",
        ("batch", *_COLUMNS, "all", "an item", "+2 indexes", "all is", "calls"),
        [_row(size, each) for size, each in counted.items()],
        (
            "segments and markers are one transaction (twice the units); projections: every",
            f"  {WINDOW_SECONDS} s a write for each of {traffic.SESSIONS} sessions and "
            f"{traffic.AGENTS} agents that had events, the usage, the day's and the cursor.",
            "an item: what ratios are to; +2 indexes: with one by session and one by agent.",
            "calls: of fan-out to DynamoDB, one after another: at a typical seal, and at most.",
            "MiniStack's own count of the same writes, of ours: "
            + ", ".join(f"{each.reported / each.total:.3f}" for each in counted.values()),
        ),
    )


def _bytes(shape: str | None, size: int) -> tuple[str, ...]:
    recorder: Any = Recorder()
    tenant = Tenant(DynamoJournal(recorder, _JOURNAL))
    bodies = traffic.bodies(size, BYTES_BATCHES, shape)
    for body in bodies:
        tenant.ingest(tenant.request(body))
    events = size * len(bodies)
    entries = sum(len(entry) for item in recorder.items for entry in _batch(item).entries)
    ours = sum(map(item_size, recorder.items)) / events
    theirs = sum(item_size(item) for body in bodies for item in straightforward.items(body))
    return (
        shape or "mixed",
        str(size),
        number(sum(map(len, bodies)) / events),
        number(entries / events),
        number(ours),
        number(theirs / events),
        ratio(ours / (theirs / events)),
    )


@dataclass(frozen=True, slots=True)
class _Counted:
    """What a run wrote."""

    events: int
    units: Counter[str]
    reported: float  # by MiniStack
    item_per_event: int  # units, for the same events
    indexes: int  # units, for two of them
    calls: list[int]  # of each seal, in sequence

    @property
    def total(self) -> int:
        return self.units.total()


def _units(server: Server, size: int) -> _Counted:
    settings = StoreSettings(
        journal_table=f"{_JOURNAL}-{size}",
        ledger_table=f"{_LEDGER}-{size}",
        state_table=f"{_STATE}-{size}",
    )
    tables, client = server.client(), server.client()
    create(tables, settings)
    meter, clock = Meter(client, tables), FakeClock()
    journal = DynamoJournal(client, settings.journal_table, retention_days=36_500)
    tenant = Tenant(journal, DynamoQuota(client, settings.state_table), clock)
    ledger = DynamoLedger(client, settings.ledger_table)
    projections = DynamoProjections(client, settings.state_table)
    fanout = Fanout(
        ledger=ledger,
        set_aside=FakeSetAside(),
        broker=None,
        clock=clock,
    )
    projector = Projector(ledger=ledger, journal=journal, projections=projections)
    bodies = iter(traffic.bodies(size, _requests_in(WARM_UP_SECONDS + COUNTED_SECONDS, size)))
    sent: list[bytes] = []
    calls: list[int] = []
    last_id = ""
    for tick in range((WARM_UP_SECONDS + COUNTED_SECONDS) * SEALS_PER_SECOND):
        if tick == WARM_UP_SECONDS * SEALS_PER_SECOND:
            projector([ORG])
            meter.reset()
            sent.clear()
            calls.clear()
        due = _requests_in((tick + 1) / SEALS_PER_SECOND, size) - _requests_in(
            tick / SEALS_PER_SECOND, size
        )
        for _ in range(due):
            clock.ms += 1000 // SEALS_PER_SECOND // max(due, 1)
            sent.append(body := next(bodies))
            tenant.ingest(tenant.request(body))
        batches = journal.between(ORG, last_id, "8", limit=1_000)
        if batches:
            last_id = batches[-1].id
            before = meter.calls
            report = fanout(batches)
            calls.append(meter.calls - before)
            if report.failed or report.set_aside:
                raise RuntimeError(f"not sealed: {report}")
        clock.ms = FakeClock().ms + (tick + 1) * 1000 // SEALS_PER_SECOND
    projector([ORG])
    items = [item for body in sent for item in straightforward.items(body)]
    theirs = sum(write_units(item_size(item)) for item in items)
    indexes = sum(write_units(_index_size(item, by)) for by in _INDEXES for item in items)
    return _Counted(size * len(sent), meter.units, meter.reported, theirs, indexes, calls)


def _index_size(item: dict[str, Any], by: str) -> int:
    """Return the size of an item's entry in an index that holds keys only."""
    return item_size({name: item[name] for name in ("org", "event_id", by)})


def _requests_in(seconds: float, size: int) -> int:
    return int(seconds * EVENTS_PER_SECOND) // size


def _row(size: int, counted: _Counted) -> tuple[str, ...]:
    known = {each for kinds in _COLUMNS.values() for each in kinds} | set(_REST)
    units = Counter[str]()
    for name, count in counted.units.items():
        units[name if name in known else name.partition("-")[0]] += count  # a table's has a suffix
    if unknown := set(units) - known:
        raise RuntimeError(f"writes of an unknown kind: {unknown}")
    by_column = [sum(units[kind] for kind in kinds) for kinds in _COLUMNS.values()]
    return (
        str(size),
        *(number(each / counted.events) for each in by_column),
        number(counted.total / counted.events),
        number(counted.item_per_event / counted.events),
        number((counted.item_per_event + counted.indexes) / counted.events),
        ratio(counted.total / counted.item_per_event),
        f"{median(counted.calls):.0f}, {max(counted.calls)}",
    )


def _batch(item: dict[str, Any]) -> Batch:
    batch = batch_of_image(item)
    if not isinstance(batch, Batch):
        raise RuntimeError(batch.reason)
    return batch
