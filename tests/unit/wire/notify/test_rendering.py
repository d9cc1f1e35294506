from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.notified import LINKS, URLS, called, endpoint, sealed, sent
from tocsin.domain.endpoints import Format
from tocsin.wire.notify.rendering import wants
from tocsin.wire.notify.runs import run_of

NAMES = (
    *("agent_id", "tool_name", "session_id", "user_id", "action", "status", "anomaly_type"),
    *("request", "decision", "data", "metadata", "source", "server_id", "trace_id", "span_id"),
    *("run_id", "source_id", "received_at", "tool_call_id", "provider", "count"),
)
INNER = (
    *("approval_id", "anomaly_id", "budget_id", "period_id", "expires_at", "message", "reason"),
    *("evidence", "seen", "expected", "since", "description", "limits", "used", "status"),
    *("command", "path", "input", "cwd", "resolved_by", "type", "endpoint_id"),
)
PLAIN = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20)
VALUES = st.recursive(
    PLAIN | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(INNER) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=12,
)
TYPES = (
    *("tool_call", "completion", "anomaly", "audit", "cost.recorded", "session_update"),
    *("approval.created", "approval.reminder", "approval.resolved", "approval.expired"),
    *("approval.resolved_in_bulk", "approval.linked", "budget.exceeded", "auth.failed"),
    *("tocsin.anomaly_reviewed", "tocsin.endpoint_test", "tocsin.key_created", "vendor.x"),
)


@pytest.mark.parametrize("format", list(Format))
@settings(max_examples=100, deadline=None)
@given(
    type=st.sampled_from(TYPES),
    fields=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8),
    linked=st.booleans(),
)
def test_whatever_is_in_an_event_it_can_be_sent(
    format: Format, type: str, fields: dict[str, Any], linked: bool
) -> None:
    """An event that can't be sent would hold up all that come after it."""
    to = endpoint(format)
    event = sealed(type=type, **fields)
    wants(to, event)
    request = sent(to, event, links=LINKS if linked else None)
    assert request.body
    assert request.url.startswith(URLS[format].rstrip("/").split("?")[0])
    for name, value in request.headers:
        assert name == name.lower()
        assert value.isprintable()
        assert value.isascii()


@pytest.mark.parametrize("format", list(Format))
@pytest.mark.parametrize(
    "time",
    ["9999-12-31T23:59:59.9999Z", "0001-01-01T00:00:00+14:00", "20260320", "1774000000000", "", 7],
)
def test_an_event_of_any_time_can_be_sent(format: Format, time: object) -> None:
    for event in (
        sealed(type="approval.created", timestamp=time, data={"expires_at": time}),
        sealed(type="anomaly", received_at=time, data={"evidence": {"since": time}}),
    ):
        assert sent(endpoint(format), event).body


@pytest.mark.parametrize("format", list(Format))
def test_an_event_nested_as_deep_as_may_be_can_be_sent(format: Format) -> None:
    deep: object = "x"
    for _ in range(62):
        deep = [deep]
    assert sent(endpoint(format), called(request={"input": deep})).body


def test_only_exports_take_runs() -> None:
    assert {each for each in Format if run_of(each)} == {Format.SPLUNK, Format.S3}
