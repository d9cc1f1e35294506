"""An anomaly as each dialect's document has it."""

from typing import Any

import orjson
import pytest

from fakes.tenant import Tenant
from support.streams import decode
from tocsin.domain.detect.budget import Peak
from tocsin.domain.detect.finding import Evidence, Finding, Subject
from tocsin.domain.detect.kinds import Kind, Severity
from tocsin.domain.segment import SealedEvent
from tocsin.wire import govrix, igris, kavach, rampart
from tocsin.wire.anomalies import event_of

AT_MS = 1_774_000_000_000
SPIKE = Evidence(
    Kind.RATE_SPIKE,
    Severity.WARNING,
    "many",
    "calls a minute",
    150,
    20.0,
    45.0,
    peak=Peak(23.0, None),
)


def sealed(evidence: Evidence = SPIKE, **names: str) -> SealedEvent:
    subject = Subject("tool", "query_records", "db-production")
    finding = Finding(subject, evidence, Severity.WARNING, AT_MS, 3, subject.names | names)
    fields: Any = event_of(finding)
    [event] = Tenant().add(1, **fields)
    return event


def message(data: bytes) -> tuple[str | None, dict[str, Any]]:
    [found] = decode(data)
    return found.event, found.fields


def test_igris() -> None:
    name, fields = message(igris.encode(sealed()))
    assert name == "anomaly"
    assert (
        fields.items()
        >= {
            "type": "anomaly",
            "serverId": "db-production",
            "anomalyType": "rate_spike",
            "toolName": "query_records",
            "currentRate": 150,
            "threshold": 45,
        }.items()
    )
    assert "timestamp" in fields


def test_without_a_threshold_it_is_what_was_expected() -> None:
    evidence = Evidence(Kind.RATE_SPIKE, Severity.WARNING, "many", "calls a minute", 150, 20.0)
    assert message(igris.encode(sealed(evidence)))[1]["threshold"] == 20


@pytest.mark.parametrize("asked", [None, frozenset({"anomaly.detected"})])
def test_kavach(asked: frozenset[str] | None) -> None:
    name, fields = message(kavach.encode(sealed(agent_id="claude"), asked))
    assert name == fields["type"] == "anomaly.detected"
    assert fields["agentId"] == "claude"
    data = fields["data"]
    assert (
        data.items()
        >= {
            "agentId": "claude",
            "type": "rate_spike",
            "severity": "warning",
            "description": "many",
            "count": 3,
            "detectedAt": "2026-03-20T09:46:40.000Z",
        }.items()
    )
    assert data["evidence"].items() >= {"seen": 150, "expected": 20, "threshold": 45}.items()
    assert kavach.encode(sealed(), frozenset({"audit"})) == b""


def test_rampart() -> None:
    _, fields = message(rampart.encode(sealed(agent_id="claude")))
    event = fields["event"]
    assert (event["type"], event["anomaly_type"], event["tool"]) == (
        *("anomaly", "rate_spike", "query_records"),
    )
    assert event["decision"] == {"action": "alert", "matched_policies": [], "message": "many"}


def test_govrix() -> None:
    _, fields = message(govrix.encode(sealed()))
    assert (fields["type"], fields["data"]["description"]) == ("anomaly", "many")
    listed = orjson.loads(govrix.encode_object(sealed()))
    assert (listed["tool_name"], listed["current_rate"]) == ("query_records", 150)


@pytest.mark.parametrize("encode", [igris.encode, kavach.encode, rampart.encode, govrix.encode])
def test_every_dialect_says_what_was_imported(encode: Any) -> None:
    [event] = Tenant().add(1, backfill=True, data={"x": 1}, type="agent.created")
    assert b'"backfill":true' in encode(event)
