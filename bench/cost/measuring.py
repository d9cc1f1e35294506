"""Some seconds of steady traffic through the handlers, in the rhythm in which they are deployed."""

import os
import time
from dataclasses import dataclass, field
from itertools import batched, islice
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from uuid import UUID

import orjson

from bench import lambdas, traffic
from bench.cost.assumed import EVENTS_PER_SECOND, ITEM_OVERHEAD_BYTES, KEYED_REQUESTS, WARM_UP_MS
from bench.cost.deployed import Deployed
from bench.cost.functions import Broker, Functions, Queue, Signatures, wired
from bench.cost.tap import Tap
from bench.cost.use import TAILS, Run, Use
from bench.lambdas import EVENTS_PER_MONTH, ORG, Tenant
from fakes.stores import FakeClock
from support.ministack import Server
from tocsin.adapters import dynamodb, sqs
from tocsin.adapters.dynamodb.journal import DynamoJournal
from tocsin.adapters.dynamodb.keys import DynamoKeys
from tocsin.adapters.dynamodb.orgs import DynamoOrgs
from tocsin.adapters.dynamodb.trees import DynamoTrees
from tocsin.domain.keys import Scope, mint
from tocsin.domain.limits import SETTLED_MS
from tocsin.domain.org import Org
from tocsin.domain.tree import TILE_WIDTH
from tocsin.local.tables import create
from tocsin.settings import StoreSettings
from tocsin.wire.intake.cloudevents.formats import BATCHED, STRUCTURED

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["measured", "steady"]

_NODE_UNITS = 2  # of a tree, written in a transaction


def measured(server: Server, size: int, deployed: Deployed) -> Run:
    """Return a metered run with the CPU times of one that was only timed."""
    run, timed = (steady(server, size, deployed, metered=metered) for metered in (True, False))
    for name, use in run.uses.items():
        use.cpu_ms = timed.uses[name].cpu_ms
    checkpoints = ("checkpoint", "little_checkpoint", "idle_checkpoint")
    for of in ("sweep", "idle_sweep", "keyed", "identified", *checkpoints):
        getattr(run, of).cpu_ms = getattr(timed, of).cpu_ms
    return run


def steady(server: Server, size: int, deployed: Deployed, *, metered: bool) -> Run:
    """Run the traffic on tables of its own; when metered, times include the meter's own."""
    lambdas.prepare()
    name = f"-{size}-{time.monotonic_ns()}"
    settings = StoreSettings(
        journal_table=f"journal{name}", ledger_table=f"ledger{name}", state_table=f"state{name}"
    )
    with patch.dict(os.environ, server.env):
        tables, client = server.client(), dynamodb.client()
        queue = Queue(sqs.client(), f"tails{name}")
    create(tables, settings)
    tap = Tap(client, tables) if metered else None
    clock, broker, signatures = FakeClock(), Broker(), Signatures()
    with wired(settings, client, clock, broker, queue, signatures):
        functions = Functions(deployed, broker, queue, signatures, tap)
        return _Traffic(size, deployed, settings, tables, clock, functions, tap).run()


@dataclass(slots=True)
class _Traffic:
    size: int
    deployed: Deployed
    settings: StoreSettings
    tables: "DynamoDBClient"
    clock: FakeClock
    functions: Functions
    tap: Tap | None
    tenant: Tenant = field(default_factory=Tenant)
    last_batch: str = "0"
    last_seqs: dict[str, int] = field(default_factory=dict)

    def run(self) -> Run:
        run = Run(self.size)
        period_ms = self.deployed.period_ms(self.deployed.fanout_window_seconds)
        project_ms = self.deployed.period_ms(self.deployed.project_window_seconds)
        detect_ms = self.deployed.period_ms(self.deployed.detect_window_seconds)
        if any(each % period_ms for each in (project_ms, detect_ms, WARM_UP_MS)):
            raise ValueError("the windows of project, detect and fan-out don't meet")
        end_ms = WARM_UP_MS + 1_000 * self.deployed.project_seconds
        count = end_ms * EVENTS_PER_SECOND // 1000 // self.size
        bodies = iter(traffic.bodies(self.size, count + 1 + 2 * KEYED_REQUESTS))
        self._register()
        run.uses = {name: Use() for name in ("ingest", "fanout", "project", TAILS, "detect")}
        done, warm_up = 0, {name: Use() for name in run.uses}
        for now_ms in range(period_ms, end_ms + 1, period_ms):
            counting = now_ms > WARM_UP_MS
            uses = run.uses if counting else warm_up
            start_ms = self.clock.ms
            due = now_ms * EVENTS_PER_SECOND // 1000 // self.size - done
            for place in range(due):
                self.clock.ms = start_ms + period_ms * place // due
                first = done == 0 and place == 0
                body = next(bodies)
                answer = self._ingest(body, run.first if first else uses["ingest"])
                if counting:
                    run.sent_bytes += len(body)
                    run.answered_bytes += len(answer["body"])
            done += due
            run.events += due * self.size if counting else 0
            self.clock.ms = start_ms + period_ms
            told_before = self.functions.told_bytes
            self._fan_out(uses["fanout"])
            run.told_bytes += self.functions.told_bytes - told_before if counting else 0
            if now_ms % project_ms == 0:
                self._segments("project", uses["project"])
            if now_ms in (WARM_UP_MS, end_ms):
                self.functions("project", lambdas.tail_event(), uses[TAILS])
            if now_ms == WARM_UP_MS:
                self.functions("checkpoint", {}, Use())
            if now_ms % detect_ms == 0:
                self._segments("detect", uses["detect"])
        marked = sum(of["fanout"].writes["minute"] for of in (warm_up, run.uses))
        self._look_at_tables(run, done * self.size, marked)
        self._checkpoints(run, next(bodies))
        done += 1
        self.clock.ms += SETTLED_MS
        run.swept_events = done * self.size
        self.functions("sweeper", {}, run.sweep)
        self.functions("sweeper", {}, run.idle_sweep)
        for place, body in enumerate(islice(bodies, KEYED_REQUESTS)):
            self._ingest(body, run.keyed, str(UUID(int=place)))
        for place, body in enumerate(bodies):
            self._cloudevents(body, place, run.identified)
        run.metrics = self.functions.metrics
        return run

    def _checkpoints(self, run: Run, body: bytes) -> None:
        """Have one made of what came since the first, then of a batch, then of nothing."""
        sizes = [self._signed()]
        self._fan_out(Use())  # what projecting has told of sessions that begin
        self.functions("checkpoint", {}, run.checkpoint)
        sizes.append(self._signed())
        self._ingest(body, Use())
        self._fan_out(Use())
        self.functions("checkpoint", {}, run.little_checkpoint)
        sizes.append(self._signed())
        self.functions("checkpoint", {}, run.idle_checkpoint)
        first, many, few = sizes
        run.checkpointed_events = (many - first) - (few - many)
        if self.tap:  # a tile that became full with the batch is no matter of each checkpoint
            full = few // TILE_WIDTH - many // TILE_WIDTH
            run.little_checkpoint.writes["tree"] -= _NODE_UNITS * full

    def _signed(self) -> int:
        """Return how many events the last checkpoint covers."""
        journal = DynamoJournal(self.tables, self.settings.journal_table)
        last = DynamoTrees(self.tables, self.settings.state_table, journal).checkpoint(ORG)
        return last.size if last else 0

    def _register(self) -> None:
        self.tenant.token, key = mint(ORG, frozenset({Scope.INGEST}), "bench", 0)
        state = self.settings.state_table
        DynamoKeys(self.tables, state).put(key)
        DynamoOrgs(self.tables, state).put(Org(ORG, EVENTS_PER_MONTH))

    def _ingest(self, body: bytes, use: Use, idempotency_key: str | None = None) -> dict[str, Any]:
        event = self.tenant.event(body)
        if idempotency_key:
            event["headers"]["idempotency-key"] = idempotency_key
        return self.functions("ingest", event, use)

    def _cloudevents(self, body: bytes, place: int, use: Use) -> None:
        """Send the same events as CloudEvents."""
        said: Any = orjson.loads(body)
        events = [
            {"specversion": "1.0", "id": str(UUID(int=place << 16 | at)), "source": "/agents/bench"}
            | {"type": each["type"], "data": each}
            for at, each in enumerate(said.get("events", [said]))
        ]
        alone = len(events) == 1
        event = self.tenant.event(orjson.dumps(events[0] if alone else events))
        event |= dict.fromkeys(("path", "resource"), "/v1/cloudevents")
        event["headers"]["content-type"] = STRUCTURED if alone else BATCHED
        self.functions("ingest", event, use)

    def _fan_out(self, use: Use) -> None:
        items = self._items(
            TableName=self.settings.journal_table,
            KeyConditionExpression="org = :org AND #batch > :last",
            ExpressionAttributeNames={"#batch": "batch"},
            ExpressionAttributeValues={":org": {"S": ORG}, ":last": {"S": self.last_batch}},
        )
        for records in batched(items, self.deployed.fanout_records, strict=False):
            self.last_batch = records[-1]["batch"]["S"]
            self.functions("fanout", lambdas.stream_event(records), use)

    def _segments(self, name: str, use: Use) -> None:
        items = self._items(
            TableName=self.settings.ledger_table,
            KeyConditionExpression="pk = :pk AND sk > :last",
            ExpressionAttributeValues={
                ":pk": {"S": f"segment#{ORG}"},
                ":last": {"N": str(self.last_seqs.get(name, 0))},
            },
        )
        if not items:  # batches may be longer apart than a window
            return
        self.last_seqs[name] = int(items[-1]["sk"]["N"])
        # The handler reads only the keys; the rest is there to be parsed.
        null: dict[str, Any] = {"NULL": True}
        event = lambdas.stream_event([item | {"org": null, "batch": null} for item in items])
        for record, item in zip(event["Records"], items, strict=True):
            record["dynamodb"]["Keys"] = {name: item[name] for name in ("pk", "sk")}
        self.functions(name, event, use)

    def _items(self, **query: Any) -> list[Any]:
        pages = self.tables.get_paginator("query").paginate(**query, ConsistentRead=True)
        return [item for page in pages for item in page["Items"]]

    def _look_at_tables(self, run: Run, events: int, mark_units: float) -> None:
        if self.tap is None:
            return
        for table in (self.settings.journal_table, self.settings.ledger_table):
            items, size = self.tap.stored(table)
            name = f"storage: {table.partition('-')[0]}"
            run.stored_bytes[name] = (size + items * ITEM_OVERHEAD_BYTES) / events
        marks, _ = self.tap.stored(self.settings.ledger_table, "minute#")
        run.mark_units = mark_units / marks
