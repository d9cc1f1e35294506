"""Both clients list alerts, and say what they were."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from support.api_answers import Server
from tocsin.client import Anomaly, ApiError

ONE = {
    "id": "evt_1",
    "kind": "silence",
    "severity": "warning",
    "status": "open",
    "description": "nothing",
    "detected_at": "2026-03-20T00:00:00.000Z",
}
SETTINGS = {"enabled": True}


type Call = Callable[..., Any]


def test_a_list_follows_its_link_as_far_as_it_is_to(call: Call, server: Server) -> None:
    link = "/api/v1/anomalies?kind=silence&limit=3&before=evt_1"
    server.answers = [
        (200, {"data": page, "headers": {"Link": f'<{link}>; rel="next"'}})
        for page in ([ONE], [], [ONE, ONE])
    ]
    found = call("anomalies", 3, kind="silence")
    assert found == [Anomaly.from_fields(ONE)] * 3
    first, *more = (dict(each.url.params) for each in server.asked)
    assert first == {"kind": "silence", "limit": "3"}
    assert more == [{"kind": "silence", "limit": "2", "before": "evt_1"}] * 2
    assert call("anomalies", 0) == []


@pytest.mark.parametrize(
    ("method", "path"),
    [("acknowledge", "acknowledge"), ("false_positive", "false-positive")],
)
def test_what_is_said_of_one(call: Call, server: Server, method: str, path: str) -> None:
    server.answers = [(503, {}), (200, ONE)]
    assert call(method, "evt/1", "seen").fields == ONE
    assert server.paths == [f"POST /api/v1/anomalies/evt%2F1/{path}"] * 2
    assert json.loads(server.asked[1].content) == {"reason": "seen"}


def test_one_is_snoozed(call: Call, server: Server) -> None:
    server.answers = [(200, ONE)] * 2
    call("snooze", "evt_1", seconds=60)
    call("snooze", "evt_1", "r", until=datetime(2026, 3, 20, tzinfo=UTC))
    assert [json.loads(each.content) for each in server.asked] == [
        {"reason": "", "seconds": 60},
        {"reason": "r", "until": "2026-03-20T00:00:00.000Z"},
    ]
    for wrong in ({}, {"seconds": 60, "until": "2026-03-20"}):
        with pytest.raises(ValueError, match="seconds or until"):
            call("snooze", "evt_1", **wrong)


def test_how_an_org_is_watched(call: Call, server: Server) -> None:
    server.answers = [(200, SETTINGS), (200, SETTINGS), (200, ONE)]
    assert call("detection") == call("set_detection", {"enabled": True}) == SETTINGS
    assert call("anomaly", "evt_1").id == "evt_1"
    assert server.paths == [
        *("GET /api/v1/detection", "PUT /api/v1/detection", "GET /api/v1/anomalies/evt_1")
    ]


@pytest.mark.parametrize("body", [{}, {"data": [{}]}, {"data": 7}, [], None])
def test_what_is_not_tocsins_is_said(call: Call, server: Server, body: Any) -> None:
    server.answers = [(200, body), (404, {"error": "none"})]
    with pytest.raises(httpx.RemoteProtocolError):
        call("anomalies")
    with pytest.raises(ApiError, match="none"):
        call("anomaly", "evt_1")
