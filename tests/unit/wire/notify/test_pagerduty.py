import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.notified import (
    HOSTILE,
    LINKS,
    answered,
    asked,
    called,
    endpoint,
    event_id,
    found,
    reminded,
    said_of_it,
    sealed,
    sent,
)
from tocsin.domain.approvals import Status
from tocsin.domain.detect.anomaly import Status as ReviewStatus
from tocsin.domain.detect.kinds import Severity
from tocsin.domain.endpoints import Format
from tocsin.domain.segment import SealedEvent
from tocsin.wire.notify.text import units

ENDPOINT = endpoint(Format.PAGERDUTY, token="0123456789abcdef0123456789abcdef")  # noqa: S106


def told(event: SealedEvent, **options: Any) -> dict[str, Any]:
    """Return what is told, held against https://developer.pagerduty.com/docs/send-alert-event."""
    request = sent(ENDPOINT, event, **options)
    assert len(request.body) < 512 * 1_024
    body: dict[str, Any] = json.loads(request.body)
    assert body["routing_key"] == ENDPOINT.token
    assert 1 <= len(body["dedup_key"]) <= 255
    assert body["event_action"] in ("trigger", "acknowledge", "resolve")
    if body["event_action"] == "trigger":
        payload = body["payload"]
        assert 1 <= units(payload["summary"]) <= 1_024
        assert payload["severity"] in ("critical", "error", "warning", "info")
        assert payload["source"]
        assert all(each.keys() == {"href", "text"} for each in body["links"])
    return body


@pytest.mark.parametrize("status", [Status.APPROVED, Status.DENIED, Status.EXPIRED])
def test_an_approval_s_end_resolves_what_its_beginning_triggered(status: Status) -> None:
    began, ended = told(asked()), told(answered(status))
    assert (began["event_action"], ended["event_action"]) == ("trigger", "resolve")
    assert began["dedup_key"] == ended["dedup_key"] == told(reminded())["dedup_key"]
    assert told(reminded())["event_action"] == "trigger"


@pytest.mark.parametrize(
    ("status", "action"),
    [
        (ReviewStatus.ACKNOWLEDGED, "acknowledge"),
        (ReviewStatus.SNOOZED, "resolve"),
        (ReviewStatus.FALSE_POSITIVE, "resolve"),
    ],
)
def test_an_anomaly_s_review_ends_what_it_triggered(status: ReviewStatus, action: str) -> None:
    began, reviewed = told(found()), told(said_of_it(status))
    assert (began["event_action"], reviewed["event_action"]) == ("trigger", action)
    assert began["dedup_key"] == reviewed["dedup_key"]


def test_two_orgs_and_two_events_are_two_alerts() -> None:
    keys = {told(called())["dedup_key"], told(found())["dedup_key"], told(asked())["dedup_key"]}
    other = endpoint(Format.PAGERDUTY, org="other")
    keys.add(json.loads(sent(other, found()).body)["dedup_key"])
    assert len(keys) == 4


@pytest.mark.parametrize("severity", list(Severity))
def test_an_anomaly_is_as_severe_as_it_says(severity: Severity) -> None:
    assert told(found(severity))["payload"]["severity"] == severity.word


def test_a_page_says_what_a_person_needs_to_know() -> None:
    body = told(asked(), links=LINKS)
    assert body["payload"]["summary"] == (
        "Approval needed: exec, claude: May I deploy the new build?"
    )
    assert body["payload"]["custom_details"]["What"] == "rm -rf build && make deploy"
    assert [each["text"] for each in body["links"]] == ["Approve", "Deny", "Open in Tocsin"]
    assert body["payload"]["timestamp"] == "2026-03-20T09:46:40.000Z"


def test_a_budget_s_period_is_one_alert() -> None:
    def used(period: str, source: str = "tocsin") -> dict[str, Any]:
        data = {"budget_id": "b1", "period_id": period, "limits": {"calls_per_day": 3}}
        return told(sealed(source=source, type="budget.exceeded", data=data))

    assert used("2026-03-20")["dedup_key"] == used("2026-03-20")["dedup_key"]
    assert used("2026-03-20")["dedup_key"] != used("2026-03-21")["dedup_key"]
    assert used("2026-03-20")["payload"]["custom_details"]["Limits"] == "calls_per_day 3"
    # A client can say that, too; it does not touch the alert of a budget.
    assert used("2026-03-20", source="")["dedup_key"] != used("2026-03-20")["dedup_key"]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_event_is_within_pagerduty_s_limits(text: str) -> None:
    told(called(agent_id=text[:256], tool_name=text[:256], request={"command": text}))
    told(sealed(type="approval.resolved", data={"approval_id": text}))
    told(sealed(type="budget.exceeded", data={"budget_id": text, "limits": {text: text}}))


@settings(deadline=None)
@given(st.text(max_size=300), st.integers(1, 500))
def test_any_text_is_within_pagerduty_s_limits(text: str, times: int) -> None:
    told(called(agent_id=text[:256], request={"command": text * times}))


def test_an_event_of_tocsin_without_what_it_is_about_is_its_own_alert() -> None:
    assert told(sealed(type="approval.created"))["dedup_key"].endswith(event_id(7))
