"""Ingest, fan-out and projection killed (-9) at each of their steps, on a real database."""

import json
import os
from base64 import b64encode
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fakes.events import batch
from support.databases import Database, Stores
from support.dying import Mortals, mortals
from tocsin.adapters.clock import SystemClock
from tocsin.domain import batch as batches
from tocsin.domain.batch import Batch
from tocsin.domain.ids import batch_time_ms
from tocsin.domain.keys import Scope, mint
from tocsin.domain.org import Org
from tocsin.services.reading import replay, verification
from tocsin.services.sealing.fanout import Fanout
from tocsin.services.sealing.project import Projector
from tocsin.settings import StoreSettings
from tocsin.wire.intake.cloudevents.formats import BATCHED

ROOT = Path(__file__).parents[2]
BATCHES = [
    batch(count=count, salt=salt, tool_name="t") for salt, count in enumerate((3, 1_000, 30))
]


def stream_event(delivered: Sequence[Batch]) -> dict[str, Any]:
    """Return the Lambda event of these batches' journal items."""
    return {"Records": [_record(place, each) for place, each in enumerate(delivered)]}


def _record(place: int, each: Batch) -> dict[str, Any]:
    keys = {"org": {"S": each.org}, "batch": {"S": each.id}}
    image = keys | {
        "entries": {"B": b64encode(batches.pack(each.entries)).decode()},
        "count": {"N": str(each.count)},
        "key_id": {"S": each.key_id},
        "received_at": {"N": str(each.received_at_ms)},
    }
    change = {"Keys": keys, "NewImage": image, "SequenceNumber": str(100 + place)}
    return {"eventName": "INSERT", "dynamodb": change}


def environment(database: Database) -> dict[str, str]:
    path = os.pathsep.join(str(ROOT / part) for part in ("", "layers", "tests"))
    env = os.environ | database.env | {"PYTHONPATH": path}
    env["POWERTOOLS_METRICS_NAMESPACE"] = env["POWERTOOLS_SERVICE_NAME"] = "test"
    return env


def tables(settings: StoreSettings) -> dict[str, str]:
    return {f"TOCSIN_{name}".upper(): value for name, value in settings}


@pytest.fixture(scope="module")
def fanouts(database: Database) -> Iterator[Mortals]:
    with mortals("support.dying_fanout", environment(database)) as started:
        yield started


@pytest.fixture(scope="module")
def ingests(database: Database) -> Iterator[Mortals]:
    with mortals("support.dying_ingest", environment(database)) as started:
        yield started


def redeliver(on: Stores) -> None:
    """Deliver everything, as the stream does after a crash, together with what came later."""
    fanout = Fanout(ledger=on.ledger, set_aside=on.set_aside, broker=None, clock=SystemClock())
    projector = Projector(ledger=on.ledger, journal=on.journal, projections=on.projections)
    assert fanout(BATCHES).failed == {}
    assert projector(["acme"]).failed == {}


def check(on: Stores) -> None:
    """Every event is in the ledger once, verified, and counted once."""
    total = sum(each.count for each in BATCHES)
    assert verification.verify(on.ledger, on.journal, "acme").last_seq == total
    events = replay.read(on.ledger, on.journal, "acme", 0, limit=total, max_bytes=2**31)
    assert sorted(event.entry for event in events) == sorted(
        entry for each in BATCHES for entry in each.entries
    )
    agent = on.projections.get("acme", "agent", "a1")
    assert agent is not None and agent["events"] == total
    assert on.projections.cursor("acme").through_seq == total


@pytest.mark.parametrize("when", ["before", "after"])
def test_fanout_killed_at_every_call(database: Database, fanouts: Mortals, when: str) -> None:
    for call in range(100):
        on, settings = database.stores()
        for each in BATCHES:
            on.journal.put(each, batches.pack(each.entries))
        ended = fanouts.run(call, when, tables(settings), stream_event(BATCHES[:2]))
        redeliver(on)
        check(on)
        if ended is not None:
            break
    # head, markers, two commits, two messages, projections: each was a place to die at
    assert ended is not None and call >= 9


@pytest.mark.parametrize("when", ["before", "after"])
def test_ingest_killed_at_every_call(database: Database, ingests: Mortals, when: str) -> None:
    """Whoever comes next with the same idempotency key finishes, and is told the same as all."""
    token, key = mint("acme", frozenset({Scope.INGEST}), "test", 1)
    request = json.loads((ROOT / "events" / "apigateway-ingest.json").read_text())
    request["headers"] |= {
        "authorization": f"Bearer {token}",
        "content-type": "application/json",
        "idempotency-key": "k",
    }
    request["queryStringParameters"] = None
    for call in range(10):
        on, settings = database.stores()
        on.orgs.put(Org("acme", 1_000))
        on.keys.put(key)
        ended = ingests.run(call, when, tables(settings), request)
        answers = {ingests.run(100, when, tables(settings), request) for _ in range(2)}
        assert len(answers) == 1 and None not in answers
        assert ended is None or {ended} == answers
        [stored] = (each.unpack() for each in on.journal.between("acme", "", "z", 10))
        assert isinstance(stored, Batch) and stored.received_at_ms == batch_time_ms(stored.id)
        receipt = on.receipts.find("acme", "k", stored.received_at_ms)
        assert receipt is not None and receipt.batch_id == stored.id
        used = on.quota.used("acme", datetime.now(UTC).strftime("%Y-%m"))
        # What was reserved by who died before there was a receipt can't be told from the rest.
        died_in_between = (call, when) in {(0, "after"), (1, "before")}
        assert used == stored.count * (1 + died_in_between)
        if ended is not None:
            break
    assert ended is not None and call == 3  # quota, receipt, journal


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("ids", "calls"), [(["1"], 3), (["1", "2", "3"], 2)])
def test_cloudevents_killed_at_every_call(
    database: Database, ingests: Mortals, when: str, ids: list[str], calls: int
) -> None:
    """Whoever comes next with the same events, cut in another way, stores what is missing."""
    token, key = mint("acme", frozenset({Scope.INGEST}), "test", 1)
    request = json.loads((ROOT / "events" / "apigateway-ingest.json").read_text())
    request |= dict.fromkeys(("path", "resource"), "/v1/cloudevents")
    request["queryStringParameters"] = None
    request["headers"] |= {"authorization": f"Bearer {token}"}

    def asked(*ids: str) -> dict[str, Any]:
        said = {"specversion": "1.0", "source": "/s", "type": "com.example.thing"}
        sent: dict[str, Any] = dict(request)
        sent["headers"] = request["headers"] | {"content-type": BATCHED}
        return sent | {"body": json.dumps([said | {"id": i} for i in ids])}

    for call in range(10):
        on, settings = database.stores()
        on.orgs.put(Org("acme", 1_000))
        on.keys.put(key)
        ended = ingests.run(call, when, tables(settings), asked(*ids))
        for again in ([*ids, "4"], ids[:1], ["5", *ids]):
            assert ingests.run(100, when, tables(settings), asked(*again)) is not None
        found = [each.unpack() for each in on.journal.between("acme", "", "z", 10)]
        entries = [entry for each in found if isinstance(each, Batch) for entry in each.entries]
        assert sorted(json.loads(entry)["source_id"] for entry in entries) == [*ids, "4", "5"]
        used = on.quota.used("acme", datetime.now(UTC).strftime("%Y-%m"))
        died_in_between = (call, when) in {(0, "after"), (1, "before")}
        assert used == len(ids) * (1 + died_in_between) + 2
        if ended is not None:
            break
    assert ended is not None and call == calls  # quota, receipt, journal; or the last two as one
