"""The straightforward way to deliver: an SQS message for each event and endpoint.

The message has the event; a function reads the endpoint and posts. The request and the sender are
Tocsin's own. It does nothing else that Tocsin does: no order, no cursor, no replay, no list of what
was attempted, no claim that keeps the same event from being sent twice. That is to its advantage.
"""

import json
import time
import uuid
from collections.abc import Iterable, Sequence
from itertools import batched
from typing import Any

from bench.deliveries.world import BATCH, World
from tocsin.adapters.dynamodb.endpoints import DynamoEndpoints
from tocsin.adapters.dynamodb.journal import DynamoJournal
from tocsin.adapters.dynamodb.ledger import DynamoLedger
from tocsin.adapters.http.sender import HttpSender
from tocsin.domain.deliveries import Outcome, outcome_of
from tocsin.domain.segment import SealedEvent
from tocsin.services.reading import replay
from tocsin.wire.notify.rendering import outgoing

__all__ = ["Straightforward"]


class Straightforward:
    """Producer and function of one queue, on the tables of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        name = f"each-{time.monotonic_ns()}"
        created = world.queues.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "360"})
        self.url = created["QueueUrl"]
        settings = world.settings
        self._journal = DynamoJournal(world.db, settings.journal_table)
        self._ledger = DynamoLedger(world.db, settings.ledger_table)
        self._endpoints = DynamoEndpoints(world.db, settings.state_table, self._journal)
        self._sender = HttpSender(loopback=True)

    def sealed(self, org: str, after_seq: int) -> Sequence[SealedEvent]:
        """Return what a producer has in hand; not measured."""
        return replay.read(self._ledger, self._journal, org, after_seq)

    def produce(self, org: str, ids: Iterable[str], events: Sequence[SealedEvent]) -> None:
        """Send a message for each event and endpoint, ten at once."""
        messages = (
            {"org": org, "endpoint": id, "seq": event.seq, "entry": event.entry.decode()}
            for event in events
            for id in ids
        )
        for some in batched(messages, BATCH, strict=False):
            self._world.queues.send_message_batch(
                QueueUrl=self.url,
                Entries=[
                    {"Id": str(place), "MessageBody": json.dumps(each), "MessageGroupId": org}
                    for place, each in enumerate(some)
                ],
            )

    def handle(self, records: list[dict[str, Any]]) -> set[str]:
        """Post what the messages have, one after the other; return which failed."""
        failed = set()
        for record in records:
            told = json.loads(record["body"])
            kept = self._endpoints.get(told["org"], told["endpoint"])
            if kept is None or not kept.endpoint.active:
                continue
            event = SealedEvent(told["seq"], told["entry"].encode(), b"", b"")
            request = outgoing(
                kept.endpoint,
                [event],
                now_ms=time.time_ns() // 1_000_000,
                attempt=1,
                attempt_id=str(uuid.uuid4()),
                public_url=None,
                links=None,
            )
            answer = self._sender.send(request)
            if outcome_of(answer) is not Outcome.DELIVERED:
                failed.add(record["messageId"])
        return failed
