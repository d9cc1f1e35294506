"""A report counts calls as projections do, whatever the pages that events come in."""

import csv
import io
from typing import Any

import pytest

from tocsin.cli._format import Period
from tocsin.cli._reporting import COLUMNS, MAX_TAGS, Report
from tocsin.cli.report import _csv
from tocsin.client._events import Event

AT = "2026-03-19T10:00:00.000Z"


def event(seq: int, **fields: Any) -> Event:
    given = {
        "seq": seq,
        "id": f"evt_{seq}",
        "type": "tool_call",
        "session_id": "s",
        "timestamp": AT,
        "received_at": AT,
        "compliance_tag": "gdpr",
        "source": "client",
    }
    return Event.from_fields(given | fields)


EVENTS = [
    event(1, agent_id="a", tool_name="t", cost_usd=0.5, cost_estimated=True),
    event(2, agent_id="b", tool_name="t", action="deny"),
    event(3, agent_id="a", direction="request", trace_id="x", prompt_tokens=5, model="m"),
    event(4, agent_id="a", direction="response", trace_id="x", prompt_tokens=7, model="m"),
    event(5, pii_detected=True, pii_types=["email", "phone"], masked=["email"]),
    event(6, action="ask", request={"approval_id": "apr_1"}, tool_call_id="c" * 20),
    event(7, action="allow", request={"approval_id": "apr_1"}, tool_call_id="c" * 20),
    event(8, compliance_tag="pci", status="error"),
    event(9, source="tocsin", type="approval.asked"),
    event(10, timestamp="2026-03-18T10:00:00.000Z"),
]


def reported(pages: int = 1, by: Period = Period.DAY) -> list[dict[str, Any]]:
    report = Report(by)
    size = -(-len(EVENTS) // pages)
    for start in range(0, len(EVENTS), size):
        report.add(EVENTS[start : start + size])
    return list(report.rows())


@pytest.mark.parametrize("pages", [1, 3, 10])
def test_what_is_counted(pages: int) -> None:
    before, gdpr, pci = reported(pages)
    assert (before["period"], before["tag"], before["calls"]) == ("2026-03-18", "gdpr", 1)
    assert (pci["tag"], pci["errors"], pci["events"]) == ("pci", 1, 1)
    assert gdpr == {
        "period": "2026-03-19",
        "tag": "gdpr",
        "events": 7,
        "calls": 5,
        "held_calls": 1,
        "denied": 1,
        "errors": 0,
        "approvals": 1,
        "agents": 2,
        "tools": 1,
        "models": 1,
        "prompt_tokens": 7,
        "completion_tokens": 0,
        "cost_usd": 0.5,
        "cost_estimated": 1,
        "pii_events": 1,
        "pii_types": {"email": 1, "phone": 1},
        "masked_events": 1,
    }


def test_by_month_and_in_all() -> None:
    assert [(row["period"], row["tag"]) for row in reported(by=Period.MONTH)] == [
        ("2026-03", "gdpr"),
        ("2026-03", "pci"),
    ]
    assert [row["calls"] for row in reported(by=Period.TOTAL)] == [6, 1]
    assert reported(by=Period.TOTAL)[0]["period"] == "total"


def test_tags_beyond_all_measure_are_told() -> None:
    report = Report()
    with pytest.raises(ValueError, match="ask for one"):
        report.add([event(seq, compliance_tag=f"t{seq}") for seq in range(1, MAX_TAGS + 2)])


def test_a_tag_is_no_formula_in_a_spreadsheet() -> None:
    report = Report()
    report.add([event(1, compliance_tag="=1+1", pii_detected=True, pii_types=["x,y"])])
    [row] = csv.DictReader(io.StringIO(_csv(list(report.rows()))))
    assert tuple(row) == COLUMNS
    assert row["tag"] == "'=1+1"
    assert row["pii_types"] == "x,y: 1"
