"""Orgs with endpoints, sealed events, and the two functions, on a DynamoDB and SQS API over HTTP.

The API is MiniStack's. Messages go the way of Lambda's event source mappings: ten at most are
received, handed to the deployed handler as JSON, and deleted together.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from itertools import count
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from bench import lambdas, traffic
from support.ministack import Server
from tocsin.adapters import dynamodb, sqs
from tocsin.adapters.clock import SystemClock
from tocsin.adapters.dynamodb.endpoints import DynamoEndpoints
from tocsin.adapters.dynamodb.journal import DynamoJournal
from tocsin.adapters.dynamodb.ledger import DynamoLedger
from tocsin.bootstrap import deliver, project
from tocsin.domain.batch import Batch, pack
from tocsin.domain.deliveries import Progress
from tocsin.domain.endpoints import Endpoint, Order, Secret, new_id
from tocsin.domain.ids import new_batch_id
from tocsin.local.queue_polling import lambda_message
from tocsin.local.tables import create
from tocsin.services.intake.stamp import entries_of
from tocsin.services.sealing.seal import seal_batches
from tocsin.settings import DeliverSettings, ProjectSettings, StoreSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

__all__ = ["BATCH", "World", "receive", "world"]

BATCH = 10  # messages, of SQS' calls and of the function's invocation
SIGNING = Secret(bytes(range(32)), bytes(range(32)), bytes(32))
_ARN = "arn:aws:sqs:us-east-1:000000000000:"


class _NoTails:
    def set(self, org: str, delay_seconds: int) -> None:
        """What projections cost is not measured here."""


@dataclass(slots=True)
class World:
    """What is measured; ``tables`` is a client that is no function's, nor metered."""

    settings: StoreSettings
    tables: "DynamoDBClient"
    db: "DynamoDBClient"
    queues: "SQSClient"
    url: str
    slow_url: str
    project: project.Project
    deliver: deliver.DeliverParts
    _events: Iterator[dict[str, Any]] = field(default_factory=traffic.events)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def subscribe(self, org: str, url: str, endpoints: int, order: Order) -> list[str]:
        """Make endpoints that are where the ledger is; return their ids."""
        journal = DynamoJournal(self.tables, self.settings.journal_table)
        store = DynamoEndpoints(self.tables, self.settings.state_table, journal)
        through = DynamoLedger(self.tables, self.settings.ledger_table).head(org)
        made = []
        for _ in range(endpoints):
            batch = self._batch(org, 1)
            endpoint = Endpoint(
                org=org, id=new_id(), url=url, order=order, secrets=(SIGNING,), change=batch.id
            )
            progress = Progress(through.seq, through.hash)
            if not store.write(endpoint, "", batch, pack(batch.entries), progress):
                raise RuntimeError("the endpoint was not written")
            made.append(endpoint.id)
        return made

    def seal(self, org: str, events: int, requests: int = 1) -> None:
        """Seal events that came in so many requests."""
        journal = DynamoJournal(self.tables, self.settings.journal_table)
        batches = [self._batch(org, events // requests) for _ in range(requests)]
        for batch in batches:
            journal.put(batch, pack(batch.entries))
        ledger = DynamoLedger(self.tables, self.settings.ledger_table)
        seal_batches(org, batches, ledger, SystemClock())

    def wake(self, *orgs: str) -> None:
        """Have project wake the endpoints of these orgs."""
        report = self.project.wake(orgs)
        if report.failed or report.broken:
            raise RuntimeError(f"not woken: {report}")

    def invoke(self, records: list[dict[str, Any]]) -> set[str]:
        """Invoke the deliver function's handler with messages; return which of them failed."""
        handler = import_module("functions.deliver.handler").handler
        answer = handler(json.loads(json.dumps({"Records": records})), lambdas.context("deliver"))
        return {each["itemIdentifier"] for each in answer["batchItemFailures"]}

    def _batch(self, org: str, events: int) -> Batch:
        now_ms = time.time_ns() // 1_000_000
        # A batch's id ends in zeros, in place of its events' numbers.
        id = new_batch_id(now_ms, (next(self._numbers) << 16).to_bytes(10))
        made = [next(self._events) for _ in range(events)]
        return Batch(org, id, entries_of(made, id, "k", now_ms, plain=True), "k", now_ms)


@contextmanager
def world(server: Server) -> Iterator[World]:
    """Make tables and queues, and wire the functions to them; in the end as before."""
    lambdas.prepare()
    name = f"-deliveries-{time.monotonic_ns()}"
    stores = StoreSettings(
        journal_table=f"journal{name}", ledger_table=f"ledger{name}", state_table=f"state{name}"
    )
    with patch.dict(os.environ, server.env):
        tables, db, queues = server.client(), dynamodb.client(), sqs.client()
    create(tables, stores)
    url, slow_url = (
        queues.create_queue(QueueName=each + name, Attributes={"VisibilityTimeout": "360"})[
            "QueueUrl"
        ]
        for each in ("wakes", "slow-wakes")
    )
    wakes = sqs.SqsWakes(queues, url, slow_url)
    named = stores.model_dump()
    made = World(
        settings=stores,
        tables=tables,
        db=db,
        queues=queues,
        url=url,
        slow_url=slow_url,
        project=project.wire(
            ProjectSettings(**named, wakes_queue_url=url, tails_queue_url="none"),
            db=db,
            wakes=wakes,
            tails=_NoTails(),
        ),
        deliver=deliver.wire(
            DeliverSettings(
                **named,
                wakes_queue_url=url,
                slow_wakes_queue_url=slow_url,
                loopback_receivers=True,
            ),
            db=db,
            wakes=wakes,
        ),
    )
    handler = import_module("functions.deliver.handler")
    with patch.object(handler, "service", lambda: made.deliver):
        yield made


def receive(
    queues: "SQSClient", url: str, handle: Callable[[list[dict[str, Any]]], set[str]]
) -> int:
    """Have the messages that are there handled, ten at most; return how many were.

    Those that failed come again at once.
    """
    answer = queues.receive_message(
        QueueUrl=url, MaxNumberOfMessages=BATCH, MessageSystemAttributeNames=["All"]
    )
    messages = answer.get("Messages", [])
    if not messages:
        return 0
    arn = _ARN + url.rpartition("/")[2]
    failed = handle([lambda_message(each, arn) for each in messages])
    handles = [each["ReceiptHandle"] for each in messages if each["MessageId"] not in failed]
    if handles:
        entries: Any = [
            {"Id": str(place), "ReceiptHandle": each} for place, each in enumerate(handles)
        ]
        queues.delete_message_batch(QueueUrl=url, Entries=entries)
    for each in messages:
        if each["MessageId"] in failed:
            queues.change_message_visibility(
                QueueUrl=url, ReceiptHandle=each["ReceiptHandle"], VisibilityTimeout=0
            )
    return len(messages)
