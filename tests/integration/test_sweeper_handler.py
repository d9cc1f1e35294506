"""The deployed sweeper on a real DynamoDB: it counts what it finds as the fan-out does."""

import json
from typing import Any

import pytest

from fakes.events import batch
from functions.sweeper import handler as deployed
from support.context import Context
from support.databases import Database
from tocsin.adapters.clock import SystemClock
from tocsin.bootstrap import sweeper
from tocsin.domain.batch import pack
from tocsin.domain.org import Org
from tocsin.settings import FanoutSettings

HOUR_MS = 3_600_000


def _metrics(text: str) -> dict[tuple[str, str, str], Any]:
    """Return the embedded metrics among lines, by namespace, service and name."""
    found = {}
    for line in text.splitlines():
        for said in json.loads(line).get("_aws", {}).get("CloudWatchMetrics", ()):
            told = json.loads(line)
            for metric in said["Metrics"]:
                name = metric["Name"]
                found[said["Namespace"], told["service"], name] = told[name]
    return found


def test_what_the_stream_lost_is_sealed_set_aside_and_counted(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stores, settings = database.stores()
    for name, value in database.env.items():
        monkeypatch.setenv(name, value)
    sweep = sweeper.wire(FanoutSettings(**settings.model_dump()))
    monkeypatch.setattr(deployed, "service", lambda: sweep)
    monkeypatch.setattr(deployed.metrics, "service", "sweeper")
    stores.orgs.put(Org("acme"))
    then_ms = SystemClock().now_ms() - HOUR_MS
    lost, poison = batch(count=3, at_ms=then_ms, salt=1), batch(at_ms=then_ms, salt=2)
    stores.journal.put(lost, pack(lost.entries))
    stores.journal.put(poison, b"no frame")

    assert deployed.handler({}, Context("sweeper")) == {"sealed_events": 3}
    assert _metrics(capsys.readouterr().out) == {
        ("tocsin-test", "sweeper", "SealedEvents"): [3.0],
        ("tocsin-test", "sweeper", "Segments"): [1.0],
        ("tocsin-test", "sweeper", "SetAside"): [1.0],
    }
    assert stores.ledger.head("acme").seq == 3

    assert deployed.handler({"min_age_seconds": 0}, Context("sweeper")) == {"sealed_events": 0}
    assert _metrics(capsys.readouterr().out) == {}
