"""Fan-out and projection killed (-9) at each of their steps, on a real database."""

import json
import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fakes.events import batch
from support.databases import Database, Stores
from tocsin.bootstrap import SystemClock
from tocsin.domain import batch as batches
from tocsin.domain.batch import Batch
from tocsin.services import replay
from tocsin.services.fanout import Fanout
from tocsin.services.project import Projector

ROOT = Path(__file__).parents[2]
BATCHES = [batch(count=count, salt=salt) for salt, count in enumerate((3, 1_000, 30))]


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


def run(env: dict[str, str], call: int, when: str, delivered: Sequence[Batch]) -> bool:
    """Run the handler in a process that dies at a call; return whether it came to its end."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "support.dying_fanout", str(call), when],
        input=json.dumps(stream_event(delivered)).encode(),
        env=env,
        capture_output=True,
        check=False,
    )
    assert done.returncode in (0, -9), done.stderr.decode()
    return done.returncode == 0


def redeliver(on: Stores) -> None:
    """Deliver everything, as the stream does after a crash, together with what came later."""
    fanout = Fanout(ledger=on.ledger, set_aside=on.set_aside, broker=None, clock=SystemClock())
    projector = Projector(ledger=on.ledger, journal=on.journal, projections=on.projections)
    assert fanout(BATCHES).failed == {}
    assert projector(["acme"]).failed == {}


def check(on: Stores) -> None:
    """Every event is in the ledger once, verified, and counted once."""
    total = sum(each.count for each in BATCHES)
    assert replay.verify(on.ledger, on.journal, "acme").last_seq == total
    events = replay.read(on.ledger, on.journal, "acme", 0, limit=total, max_bytes=2**31)
    assert sorted(event.entry for event in events) == sorted(
        entry for each in BATCHES for entry in each.entries
    )
    agent = on.projections.get("acme", "agent", "a1")
    assert agent is not None and agent["events"] == total
    assert on.projections.cursor("acme").through_seq == total


@pytest.mark.timeout(300)
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_every_call(database: Database, when: str) -> None:
    path = os.pathsep.join(str(ROOT / part) for part in ("", "layers", "tests"))
    for call in range(100):
        on, settings = database.stores()
        env = os.environ | database.env | {"PYTHONPATH": path}
        env |= {f"TOCSIN_{name}".upper(): value for name, value in settings}
        env["POWERTOOLS_METRICS_NAMESPACE"] = env["POWERTOOLS_SERVICE_NAME"] = "test"
        for each in BATCHES:
            on.journal.put(each, batches.pack(each.entries))
        ended = run(env, call, when, BATCHES[:2])
        redeliver(on)
        check(on)
        if ended:
            break
    # head, markers, two commits, two messages, projections: each was a place to die at
    assert ended and call >= 9
