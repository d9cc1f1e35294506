"""Both clients ask, wait and answer."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from support.api_answers import Server
from tocsin.client import ApiError, Approval, ApprovalLinks

PENDING = {"id": "apr_1", "status": "pending", "expires_at": "2026-03-20T00:00:00.000Z"}
APPROVED = PENDING | {"status": "approved", "resolved_by": "maria"}


type Call = Callable[..., Any]


def test_asking(call: Call, server: Server) -> None:
    server.answers = [(201, PENDING)]
    approval = call("ask", "exec", "claude", "may I?", command="ls", ttl=60)
    assert approval == Approval("apr_1", "pending", PENDING["expires_at"])
    body = json.loads(server.asked[0].content)
    call_id = body.pop("tool_call_id")
    assert call_id.startswith("call_")
    assert body == {
        "tool": "exec",
        "agent": "claude",
        "message": "may I?",
        "command": "ls",
        "ttl": 60,
    }


def test_a_repetition_asks_for_the_same_call(call: Call, server: Server) -> None:
    server.answers = [httpx.ReadTimeout("lost"), (503, {"error": "busy"}), (201, PENDING)]
    call("ask", "exec", "claude", "may I?")
    assert len({each.content for each in server.asked}) == 1
    assert len(server.asked) == 3


def test_a_call_that_is_named_stays_so(call: Call, server: Server) -> None:
    server.answers = [(200, APPROVED)]
    assert call("ask", "exec", "claude", "m", tool_call_id="t").approved is True
    assert json.loads(server.asked[0].content)["tool_call_id"] == "t"


def test_the_list_is_all_of_it(call: Call, server: Server) -> None:
    link = {"Link": '</v1/approvals?limit=1000&after=apr_1>; rel="next"'}
    server.answers = [
        (200, {"approvals": [PENDING], "headers": link}),
        (200, {"approvals": [PENDING | {"id": "apr_2"}]}),
    ]
    assert [each.id for each in call("approvals")] == ["apr_1", "apr_2"]
    assert server.paths == ["GET /v1/approvals", "GET /v1/approvals?after=apr_1"]


def test_answering(call: Call, server: Server) -> None:
    server.answers = [(200, {"id": "a/b", "status": "approved", "approved": True})]
    assert call("resolve", "a/b", approved=True, persist=True).status == "approved"
    assert server.paths == ["POST /v1/approvals/a%2Fb/resolve"]
    assert json.loads(server.asked[0].content) == {"approved": True, "persist": True}
    server.answers = [(200, {"id": "a/b", "status": "denied", "approved": False})]
    call("resolve", "a/b", approved=False, reason="no")
    asked = json.loads(server.asked[-1].content)
    assert asked == {"approved": False, "persist": False, "reason": "no"}


def test_links(call: Call, server: Server) -> None:
    made = {"approve_url": "https://t/a", "deny_url": "https://t/d", "expires_at": "2026-03-20"}
    server.answers = [httpx.ReadTimeout("lost"), (200, made | {"more": 1})]
    assert call("approval_links", "a/b") == ApprovalLinks(**made)
    assert server.paths == ["POST /v1/approvals/a%2Fb/links"] * 2


@pytest.mark.parametrize("body", [{}, [], "x", {"approve_url": "x"}], ids=repr)
def test_what_holds_no_links_is_not_tocsins(call: Call, server: Server, body: Any) -> None:
    server.answers = [(200, body)] * 9
    with pytest.raises(httpx.TransportError):
        call("approval_links", "apr_1")


def test_what_was_resolved_before_is_an_error(call: Call, server: Server) -> None:
    server.answers = [(410, {"error": "it was denied before", "code": "OVER"})]
    with pytest.raises(ApiError) as caught:
        call("resolve", "apr_1", approved=True)
    assert (caught.value.status, caught.value.code) == (410, "OVER")


def test_waiting_goes_on_until_it_is_decided(call: Call, server: Server) -> None:
    server.answers = [(200, PENDING), httpx.ReadError("cut"), (200, PENDING), (200, APPROVED)]
    found = call("decision", "apr_1")
    assert (found.approved, found.resolved_by) == (True, "maria")
    assert server.paths == ["GET /v1/approvals/apr_1/decision?wait=55"] * 4
    assert {each.extensions["timeout"]["read"] for each in server.asked} == {70.0}


def test_waiting_ends_in_time(call: Call, server: Server) -> None:
    server.answers = [(200, PENDING)]
    assert call("decision", "apr_1", timeout_seconds=0).approved is None
    assert server.paths == ["GET /v1/approvals/apr_1/decision?wait=0"]


def test_one_approval(call: Call, server: Server) -> None:
    server.answers = [(200, APPROVED | {"input": {"a": 1}})]
    assert call("approval", "apr_1").fields["input"] == {"a": 1}


@pytest.mark.parametrize("body", [[], {}, {"approvals": [{}]}, {"approvals": 1}, "x", None])
def test_what_is_not_tocsins_is_told_as_such(call: Call, server: Server, body: Any) -> None:
    for method, args in (("approvals", ()), ("approval", ("apr_1",))):
        server.answers = [(200, body)] * 9
        with pytest.raises(httpx.RemoteProtocolError, match="Tocsin's URL"):
            call(method, *args)


def test_any_other_route_can_be_called(call: Call, server: Server) -> None:
    server.answers = [(503, {"error": "busy"}), (200, {"version": 3})]
    assert call("call", "PUT", "/api/v1/policies", {"dry_run": "true"}, {"policies": ""}) == {
        "version": 3
    }
    assert server.paths == ["PUT /api/v1/policies?dry_run=true"] * 2
    server.answers = [(403, {"error": "no", "code": "FORBIDDEN"})]
    with pytest.raises(ApiError):
        call("call", "GET", "/api/v1/keys")
