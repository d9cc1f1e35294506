"""An owner of the tables changes what is stored, in every way that one change can.

Whatever it is: verification names a seq at or before the first one that a reader would see wrongly,
or no reader sees anything else than before. And nobody is ever served an event that is not as it
was sealed.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from fakes.events import batch
from fakes.stores import FakeClock
from support.databases import Database
from support.lists import found
from support.snapshot import Snapshot
from tocsin.adapters.dynamodb.journal import DynamoJournal
from tocsin.adapters.dynamodb.ledger import DynamoLedger
from tocsin.adapters.dynamodb.projections import DynamoProjections
from tocsin.adapters.dynamodb.summaries import DynamoSummaries
from tocsin.domain import ids, stretches
from tocsin.domain.batch import pack
from tocsin.domain.errors import IntegrityError, TocsinError
from tocsin.domain.retention import KEEPS_ALL, Retention
from tocsin.domain.segment import SealedEvent
from tocsin.services.reading import replay, selection
from tocsin.services.reading.cursor import Start, resolve
from tocsin.services.reading.entries import entries
from tocsin.services.reading.past import Past
from tocsin.services.reading.since import seq_before
from tocsin.services.reading.verification import verify
from tocsin.services.sealing.project import Projector
from tocsin.services.sealing.seal import seal_batches
from tocsin.services.sealing.summaries import Summariser
from tocsin.wire.filters import Filter
from tocsin.wire.page import Page

type Item = dict[str, Any]

MINUTE_MS = 60_000
SEALED = [(3,), (2, 1), (4,), (1, 1), (2,)]  # the events of each batch of each segment


@dataclass
class Told:
    """What readers see: the events of a replay, and for each question the seqs of its answer.

    What a reader is refused is not in it.
    """

    replayed: list[SealedEvent] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    answers: dict[str, list[int]] = field(default_factory=dict)


class Tables:
    """A small ledger, sealed on a DynamoDB API; then its items, as the tables' owner has them."""

    def __init__(self, database: Database, expired_segments: int) -> None:
        self.stores, settings = database.stores()
        self.clock = FakeClock()
        self.retention = KEEPS_ALL
        self.times: list[int] = []
        self.ids: list[str] = []  # of events
        for org in ("acme", "beta"):
            self._fill(org)
        Projector(
            ledger=self.stores.ledger,
            journal=self.stores.journal,
            projections=self.stores.projections,
            summariser=Summariser(
                ledger=self.stores.ledger,
                journal=self.stores.journal,
                summaries=self.stores.summaries,
            ),
        )(["acme"])
        client = database.server.client()
        self._expire(client, settings.journal_table, expired_segments)
        self.told_by_the_api = self.told()
        self.items = {
            table: client.scan(TableName=table)["Items"]
            for table in (settings.journal_table, settings.ledger_table, settings.state_table)
        }
        self.keys = dict.fromkeys(self.items, ("pk", "sk"))
        self.journal = settings.journal_table
        self.keys[self.journal] = ("org", "batch")
        self.snapshot = Snapshot(self.items, self.keys)
        reader: Any = self.snapshot
        self.stores = self.stores._replace(
            journal=DynamoJournal(reader, settings.journal_table),
            ledger=DynamoLedger(reader, settings.ledger_table),
            projections=DynamoProjections(reader, settings.state_table),
            summaries=DynamoSummaries(reader, settings.state_table),
        )

    def _expire(self, client: Any, journal: str, segments: int) -> None:
        """Let the journal have dropped what the first segments hold."""
        for segment in self.stores.ledger.segments("acme", 1, segments) if segments else ():
            for reference in segment.references:
                self.retention = Retention(ids.batch_time_ms(reference.batch_id) + 1, 0)
                key = {"org": {"S": "acme"}, "batch": {"S": reference.batch_id}}
                client.delete_item(TableName=journal, Key=key)

    def _fill(self, org: str) -> None:
        salt = 0
        for counts in SEALED:
            self.clock.ms += 40_000
            made = []
            for count in counts:
                salt += 1
                made.append(batch(org, count, self.clock.ms, salt, session_id=f"s{salt % 2}"))
                self.stores.journal.put(made[-1], pack(made[-1].entries))
                if org == "acme":
                    self.ids += ids.event_ids(made[-1].id, count)
            self.times.append(self.clock.ms)
            seal_batches(org, made, self.stores.ledger, self.clock)

    def ours(self, table: str) -> list[Item]:
        """Return those of an org's items that tell of its events."""
        if table == self.journal:
            return [item for item in self.items[table] if item["org"]["S"] == "acme"]
        projected = {"pk": {"S": "projected"}, "sk": {"S": "acme"}}
        return [
            item
            for item in self.items[table]
            if item["pk"]["S"].endswith("#acme") or item == item | projected
        ]

    def key(self, table: str, item: Item) -> Item:
        return {name: item[name] for name in self.keys[table]}

    def told(self) -> Told:
        """Ask everything that can be asked."""
        stores, told = self.stores, Told()
        ports = stores.ledger, stores.journal, "acme"
        for after in range(sum(map(sum, SEALED)) + 1):
            seen: list[SealedEvent] = []
            try:
                while events := replay.read(
                    *ports,
                    seen[-1].seq if seen else after,
                    retention=self.retention,
                ):
                    seen += events
                told.answers[f"after {after}"] = [event.seq for event in seen]
            except TocsinError:
                pass
            told.replayed += seen
        lines: list[bytes] = []
        try:
            while more := b"".join(entries(Past(*ports, self.retention), len(lines) + 1, None)):
                lines += more.splitlines()
            told.answers["entries"] = [orjson.loads(each)["seq"] for each in lines]
        except IntegrityError:
            pass
        told.lines += lines
        for at_ms in self.times:
            for since_ms in (at_ms - 1, at_ms, at_ms + 1, at_ms + MINUTE_MS):
                with suppress(IntegrityError):
                    seq = seq_before(stores.ledger, "acme", since_ms)
                    told.answers[f"since {since_ms}"] = [seq + 1]
        for id in self.ids:
            with suppress(TocsinError):
                cursor = resolve(stores.ledger, "acme", Start(id), 0, self.clock.ms)
                told.answers[f"after {id}"] = [(cursor or 0) + 1]
            with suppress(TocsinError):
                event = selection.by_id(Past(*ports, self.retention), id, Filter())
                told.replayed.append(event)
                told.answers[f"event {id}"] = [event.seq]
        for session in ("s0", "s1", None):
            try:
                past = Past(*ports, self.retention, summaries=stores.summaries)
                page = Page(filter=Filter(session_id=session))
                looking = selection.page_of(past, stores.projections, page, self.clock.ms)
                events = [event for step in found(looking).read(past) for event in step]
                told.replayed += events
                told.answers[f"list of {session}"] = [event.seq for event in events]
            except TocsinError:
                pass
        return told


def first_difference(before: list[int], now: list[int]) -> int:
    """Return the smallest seq that only one of two answers has."""
    return min(set(before) ^ set(now), default=1)


def changed(value: Item) -> Iterator[Item]:
    """Yield other values of the same type."""
    ((kind, was),) = value.items()
    match kind:
        case "N":
            yield {"N": str(int(was) + 1)}
            yield {"N": str(max(int(was) - 1, 0))}
            yield {"N": str(int(was) + MINUTE_MS)}
        case "S":
            yield {"S": was[:-1] + ("0" if was[-1:] != "0" else "1")}
        case "B":
            yield {"B": bytes([was[0] ^ 1]) + was[1:]}
            yield {"B": was[:-1] + bytes([was[-1] ^ 1])}
            yield {"B": was[: len(was) // 2]}
            yield {"B": was + was[-16:]}
        case "BS":
            yield {"BS": [*was, bytes(16) + (99).to_bytes(8)]}
            first, *rest = sorted(was)
            yield {"BS": [first[:-1] + bytes([first[-1] ^ 1]), *rest]}
            yield {"BS": [bytes([first[0] ^ 1]) + first[1:], *rest]}
            if rest:
                yield {"BS": rest}
        case "L":
            yield {"L": []}
            yield {"L": [*was, *was]}
            for place, each in enumerate(was):
                for other in changed(each):
                    yield {"L": [*was[:place], other, *was[place + 1 :]]}
        case "M":
            for name, each in was.items():
                yield {"M": {key: value for key, value in was.items() if key != name}}
                for other in changed(each):
                    yield {"M": was | {name: other}}


def elsewhere(item: Item) -> Iterator[Item]:
    """Yield keys under which a copy of an item could stand."""
    if "batch" in item:
        yield {"org": {"S": "beta"}, "batch": item["batch"]}
        later = ids.new_batch_id(ids.batch_time_ms(item["batch"]["S"]) + 1, bytes(10))
        yield {"org": item["org"], "batch": {"S": later}}
    elif "N" in item["sk"]:
        kind = item["pk"]["S"].partition("#")[0]
        yield {"pk": {"S": f"{kind}#beta"}, "sk": {"N": "77"}}
        for step in (1, -1, 2, 10_000):
            if (place := int(item["sk"]["N"]) + step) > 0:
                yield {"pk": item["pk"], "sk": {"N": str(place)}}
    else:
        yield {"pk": item["pk"], "sk": {"S": item["sk"]["S"] + "x"}}


@dataclass
class Change:
    """One change: its name, what is put and what is deleted."""

    name: str
    put: list[Item] = field(default_factory=list)
    delete: list[Item] = field(default_factory=list)


def changes(tables: Tables, table: str) -> Iterator[Change]:
    ours = tables.ours(table)
    for place, item in enumerate(ours):
        key = tables.key(table, item)
        label = " ".join(str(value) for named in key.values() for value in named.values())
        other = ours[(place + 1) % len(ours)]
        for name in sorted(item.keys() - key.keys()):
            for value in changed(item[name]):
                yield Change(f"{label}: {name} is {value}", [item | {name: value}])
            yield Change(f"{label}: no {name}", [{k: v for k, v in item.items() if k != name}])
            if name in other and other[name] != item[name]:
                swapped = [item | {name: other[name]}, other | {name: item[name]}]
                yield Change(f"{label}: {name} swapped", swapped)
        yield Change(f"{label}: deleted", delete=[item])
        taken = [tables.key(table, each) for each in tables.items[table]]
        for target in elsewhere(item):
            if target not in taken:
                yield Change(f"{label}: copied to {target}", [item | target])
                yield Change(f"{label}: moved to {target}", [item | target], [item])


def missed(tables: Tables, untouched: Told, change: Change) -> Iterator[str]:
    """Yield what is wrong with what readers and verification say of a change that was made."""
    sealed = {event.seq: event for event in untouched.replayed}
    last_seq = sum(map(sum, SEALED))
    ports = tables.stores.ledger, tables.stores.journal, "acme"
    try:
        found = verify(
            *ports,
            projections=tables.stores.projections,
            summaries=tables.stores.summaries,
            retention=tables.retention,
        )
        named = 10**9
        if found.last_seq != last_seq:
            yield f"verified up to {found.last_seq}: {change.name}"
    except IntegrityError as error:
        named = error.seq
        if not 1 <= named <= last_seq + 1:
            yield f"names seq {named}: {change.name}"
    told = tables.told()
    if any(sealed.get(event.seq) != event for event in told.replayed):
        yield f"served what was not sealed: {change.name}"
    if not set(told.lines) <= set(untouched.lines):
        yield f"gave out a line that was not sealed: {change.name}"
    for question, answer in told.answers.items():
        was = untouched.answers[question]
        if answer != was and named > first_difference(was, answer):
            yield f"{question}: {answer} instead of {was}, named {named}: {change.name}"


@pytest.mark.parametrize("expired_segments", [0, 2])
def test_no_change_is_served_or_goes_unnoticed(
    database: Database, expired_segments: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stretches, "STRETCH_EVENTS", 4)
    monkeypatch.setattr(stretches, "STRETCHES_TOGETHER", 3)
    monkeypatch.setattr("tocsin.services.sealing.summaries.STRETCHES_TOGETHER", 3)
    tables = Tables(database, expired_segments)
    assert len(tables.stores.summaries.get("acme", 0, range(9))) == 3
    assert len(tables.stores.summaries.get("acme", 1, range(9))) == 1
    untouched = tables.told()
    assert untouched == tables.told_by_the_api
    tried, wrong = 0, list[str]()
    for table, items in tables.items.items():
        kept = [*items]
        for change in changes(tables, table):
            for item in change.delete:
                tables.snapshot.delete(table, item)
            for item in change.put:
                tables.snapshot.put(table, item)
            wrong += missed(tables, untouched, change)
            tried += 1
            for item in change.put:
                tables.snapshot.delete(table, item)
            for item in kept:
                tables.snapshot.put(table, item)
    assert not wrong, "\n".join([f"{len(wrong)} faults in {tried} changes:", *wrong[:60]])
    assert tried > 300
    assert tables.told() == untouched
