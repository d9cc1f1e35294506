"""Both clients keep sessions, agents, budgets, policies, keys and webhooks."""

import inspect
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx
import pytest

from support.api_answers import Server
from tocsin.client import (
    Agent,
    ApiError,
    AsyncClient,
    Budget,
    Client,
    Delivery,
    Key,
    Place,
    Policies,
    Session,
    Webhook,
)

type Call = Callable[..., Any]

SESSION = {"id": "s", "status": "suspended", "denials": 2}
AGENT = {"id": "a", "name": "A", "status": "idle"}
BUDGET = {"id": "b", "status": "active", "action": "warn", "limits": {"calls_per_day": 3}}
POLICIES = {"version": 3, "count": 1, "policies": "permit(principal, action, resource);"}
KEY = {"id": "k", "scopes": ["ingest"], "name": "ci"}
NEW_KEY = KEY | {"key": "tocsin_acme_k_secret"}

WEBHOOK = {"id": "e/1", "url": "https://a", "format": "slack", "status": "active"}
NEW_WEBHOOK = WEBHOOK | {"secret": "whsec_x"}

SESSION_FOUND = Session("s", "suspended")
AGENT_FOUND = Agent("a", "A", "idle")
BUDGET_FOUND = Budget("b", "active", "warn", {"calls_per_day": 3})
POLICIES_FOUND = Policies(3, POLICIES["policies"])  # type: ignore[arg-type]
KEY_FOUND, NEW_KEY_FOUND = Key("k", ("ingest",)), Key("k", ("ingest",), "tocsin_acme_k_secret")
WEBHOOK_FOUND = Webhook("e/1", "https://a", "slack", "active")
NEW_WEBHOOK_FOUND = Webhook("e/1", "https://a", "slack", "active", "whsec_x")
LIMITS = {"calls_per_day": 3}

CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any], str, Any, Any, Any]] = [
    ("session", ("a/b",), {}, "GET /api/v1/sessions/a%2Fb", None, SESSION, SESSION_FOUND),
    *(
        (
            *(f"{verb}_session", ("s", "why"), {}, f"POST /api/v1/sessions/s/{verb}"),
            {"reason": "why"},
            SESSION,
            SESSION_FOUND,
        )
        for verb in ("suspend", "resume", "complete")
    ),
    ("agent", ("a?b",), {}, "GET /api/v1/agents/a%3Fb", None, AGENT, AGENT_FOUND),
    ("create_agent", ("a",), {}, "POST /api/v1/agents", {"id": "a"}, AGENT, AGENT_FOUND),
    (
        *("create_agent", ("a", ["ingest"]), {"labels": {"x": "1"}}, "POST /api/v1/agents"),
        {"id": "a", "labels": {"x": "1"}, "key": {"scopes": ["ingest"]}},
        AGENT | {"key": NEW_KEY},
        Agent("a", "A", "idle", NEW_KEY_FOUND),
    ),
    (
        *("update_agent", ("a",), {"name": "A", "bring_back": True}, "PUT /api/v1/agents/a"),
        {"name": "A", "status": "active"},
        AGENT,
        AGENT_FOUND,
    ),
    (
        *("retire_agent", ("a",), {}, "POST /api/v1/agents/a/retire"),
        {"reason": ""},
        AGENT,
        AGENT_FOUND,
    ),
    ("budget", ("b",), {}, "GET /api/v1/budgets/b", None, BUDGET, BUDGET_FOUND),
    (
        *("create_budget", (LIMITS,), {"user_id": "maria"}, "POST /api/v1/budgets"),
        {"limits": LIMITS, "user_id": "maria"},
        BUDGET,
        BUDGET_FOUND,
    ),
    (
        *("update_budget", ("b", LIMITS), {"action": "block"}, "PUT /api/v1/budgets/b"),
        {"limits": LIMITS, "action": "block"},
        BUDGET,
        BUDGET_FOUND,
    ),
    ("remove_budget", ("b",), {}, "DELETE /api/v1/budgets/b", None, {"deleted": "b"}, None),
    ("policies", (), {}, "GET /api/v1/policies", None, POLICIES, POLICIES_FOUND),
    ("policies", (0,), {}, "GET /api/v1/policies?version=0", None, POLICIES, POLICIES_FOUND),
    (
        *("set_policies", ("x", 2), {}, "PUT /api/v1/policies"),
        {"policies": "x", "version": 2},
        POLICIES,
        POLICIES_FOUND,
    ),
    (
        *("check_policies", ("x",), {}, "PUT /api/v1/policies?dry_run=true"),
        {"policies": "x"},
        {"count": 1},
        1,
    ),
    (
        *("test_policies", ([{"tool": "t"}], "x"), {}, "POST /api/v1/policies/test"),
        {"calls": [{"tool": "t"}], "policies": "x"},
        {"results": [{"tool": "t", "decision": "ask"}], "failed": 0},
        [{"tool": "t", "decision": "ask"}],
    ),
    ("keys", (), {}, "GET /api/v1/keys", None, {"data": [KEY], "total": 1}, [KEY_FOUND]),
    (
        *("create_key", (["ingest"],), {"name": "ci"}, "POST /api/v1/keys"),
        {"scopes": ["ingest"], "name": "ci"},
        NEW_KEY,
        NEW_KEY_FOUND,
    ),
    ("rotate_key", ("k",), {}, "POST /api/v1/keys/k/rotate", {}, NEW_KEY, NEW_KEY_FOUND),
    (
        *("rotate_key", ("k", 0), {}, "POST /api/v1/keys/k/rotate"),
        {"overlap_seconds": 0},
        NEW_KEY,
        NEW_KEY_FOUND,
    ),
    ("revoke_key", ("k",), {}, "DELETE /api/v1/keys/k", None, KEY, KEY_FOUND),
    (
        *("delegate", (["ingest"],), {"agent": "a"}, "POST /api/v1/delegations"),
        {"scopes": ["ingest"], "agent": "a"},
        NEW_KEY,
        NEW_KEY_FOUND,
    ),
    ("delegations", (), {}, "GET /api/v1/delegations", None, {"data": [], "total": 0}, []),
    ("revoke_delegation", ("k",), {}, "DELETE /api/v1/delegations/k", None, KEY, KEY_FOUND),
    ("budgets", (), {}, "GET /api/v1/budgets", None, {"data": [BUDGET]}, [BUDGET_FOUND]),
    ("webhooks", (), {}, "GET /api/v1/webhooks", None, {"data": [WEBHOOK]}, [WEBHOOK_FOUND]),
    ("webhook", ("e/1",), {}, "GET /api/v1/webhooks/e%2F1", None, WEBHOOK, WEBHOOK_FOUND),
    (
        *("create_webhook", ("https://a",), {}, "POST /api/v1/webhooks"),
        {"url": "https://a"},
        NEW_WEBHOOK,
        NEW_WEBHOOK_FOUND,
    ),
    (
        "create_webhook",
        ("https://a",),
        {"types": ["x"], "since": datetime(2026, 3, 20), "secret": "whsec_x"},
        "POST /api/v1/webhooks",
        {
            "url": "https://a",
            "types": ["x"],
            "since": "2026-03-20T00:00:00.000Z",
            "secret": "whsec_x",
        },
        NEW_WEBHOOK,
        NEW_WEBHOOK_FOUND,
    ),
    (
        *("update_webhook", ("e",), {"types": None, "links": False}, "PUT /api/v1/webhooks/e"),
        {"types": None, "links": False},
        WEBHOOK,
        WEBHOOK_FOUND,
    ),
    (
        *("pause_webhook", ("e", "why"), {}, "POST /api/v1/webhooks/e/pause"),
        {"reason": "why"},
        WEBHOOK,
        WEBHOOK_FOUND,
    ),
    (
        *("resume_webhook", ("e",), {}, "POST /api/v1/webhooks/e/resume"),
        {"skip_missed": False},
        WEBHOOK,
        WEBHOOK_FOUND,
    ),
    (
        *("rotate_webhook", ("e", 0), {}, "POST /api/v1/webhooks/e/rotate"),
        {"overlap_seconds": 0},
        NEW_WEBHOOK,
        NEW_WEBHOOK_FOUND,
    ),
    (
        *("test_webhook", ("e",), {}, "POST /api/v1/webhooks/e/test"),
        {},
        {"event_id": "evt_1"},
        "evt_1",
    ),
    (
        *("replay_webhook", ("e", 1, 9), {}, "POST /api/v1/webhooks/e/replay"),
        {"from_seq": 1, "to_seq": 9},
        WEBHOOK,
        WEBHOOK_FOUND,
    ),
    ("remove_webhook", ("e",), {}, "DELETE /api/v1/webhooks/e", None, {"deleted": "e"}, None),
]
ONCE = {"create_budget", "create_key", "rotate_key", "delegate"}
ONCE |= {"create_webhook", "rotate_webhook", "replay_webhook"}
cases = pytest.mark.parametrize(
    ("method", "args", "more", "path", "body", "answer", "found"),
    CALLS,
    ids=[f"{each[0]}-{at}" for at, each in enumerate(CALLS)],
)


@cases
def test_what_is_asked_and_found(
    call: Call,
    server: Server,
    method: str,
    args: Any,
    more: Any,
    path: str,
    body: Any,
    answer: Any,
    found: Any,
) -> None:
    server.answers = [(200, answer)]
    assert call(method, *args, **more) == found
    assert server.paths == [path]
    sent = server.asked[0].content
    assert (json.loads(sent) if sent else None) == body


@cases
def test_what_makes_something_anew_is_sent_once_and_the_rest_again(
    call: Call,
    server: Server,
    method: str,
    args: Any,
    more: Any,
    path: str,
    body: Any,
    answer: Any,
    found: Any,
) -> None:
    server.answers = [httpx.ReadTimeout("lost"), (503, {"error": "busy"}), (200, answer)]
    if method in ONCE:
        with pytest.raises(httpx.ReadTimeout):
            call(method, *args, **more)
        with pytest.raises(ApiError):
            call(method, *args, **more)
        assert len(server.asked) == 2
    else:
        assert call(method, *args, **more) == found
        assert len({each.content for each in server.asked}) == 1


@cases
@pytest.mark.parametrize("wrong", [{}, [], "x", None, {"data": {}}, {"data": [1]}], ids=repr)
def test_what_answers_something_else_is_not_tocsin(
    call: Call,
    server: Server,
    method: str,
    args: Any,
    more: Any,
    path: str,
    body: Any,
    answer: Any,
    found: Any,
    wrong: Any,
) -> None:
    server.answers = [(200, wrong)] * 9
    if wrong == {"data": {}} and method in ("budgets", "keys", "delegations", "webhooks"):
        assert call(method) == []  # nothing is in it
        return
    with pytest.raises(httpx.TransportError):
        call(method, *args, **more)


@pytest.mark.parametrize(
    ("method", "one", "found"),
    [("sessions", SESSION, SESSION_FOUND), ("agents", AGENT, AGENT_FOUND)],
)
class TestLists:
    def page(self, of: Any, count: int, cursor: str | None) -> tuple[int, Any]:
        return 200, {"data": [of] * count, "total": 9, "next_cursor": cursor}

    def test_pages_are_read_to_the_end(
        self, call: Call, server: Server, method: str, one: Any, found: Any
    ) -> None:
        pages = [(2, "created#a/b"), (0, "c#"), (1, None)]  # one may be empty
        server.answers = [self.page(one, *each) for each in pages]
        assert call(method, 10) == [found] * 3
        path = f"GET /api/v1/{method}?limit="
        assert server.paths == [
            f"{path}10",
            f"{path}8&cursor=created%23a%2Fb",
            f"{path}8&cursor=c%23",
        ]

    def test_no_more_are_asked_for_than_are_wanted(
        self, call: Call, server: Server, method: str, one: Any, found: Any
    ) -> None:
        server.answers = [self.page(one, 1_000, "c"), self.page(one, 200, "d")]
        assert len(call(method, 1_200)) == 1_200
        assert "limit=200" in server.paths[1]

    @pytest.mark.parametrize("cursor", ["c", 7, {}])
    def test_a_list_that_does_not_go_on_is_not_tocsins(
        self, call: Call, server: Server, method: str, one: Any, found: Any, cursor: Any
    ) -> None:
        server.answers = [self.page(one, 0, "c"), self.page(one, 0, cursor)] * 9
        with pytest.raises(httpx.RemoteProtocolError):
            call(method)
        assert len(server.asked) == 2


def test_a_token_is_in_no_repr() -> None:
    assert "secret" not in repr(Agent.from_fields(AGENT | {"key": NEW_KEY}))
    assert "whsec" not in repr(Webhook.from_fields(NEW_WEBHOOK))


@pytest.mark.parametrize("of", ["deliveries", "given-up"])
def test_attempts_are_read_as_far_as_they_are_wanted(call: Call, server: Server, of: str) -> None:
    one = {"event_id": "evt_1", "attempt": 1, "outcome": "gone", "status": None, "latency_ms": 7}
    link = f"/api/v1/webhooks/e/{of}?limit=3&before=a.1"
    server.answers = [
        (200, {"data": page, "headers": {"Link": f'<{link}>; rel="next"'}})
        for page in ([one], [], [one, one])
    ]
    assert call(f"webhook_{of.replace('-', '_')}", "e", 3) == [Delivery.from_fields(one)] * 3
    first, *more = server.paths
    assert first == f"GET /api/v1/webhooks/e/{of}?limit=3"
    assert more == [f"GET /api/v1/webhooks/e/{of}?limit=2&before=a.1"] * 2


def test_fields_are_all_that_was_said(call: Call, server: Server) -> None:
    server.answers = [(200, SESSION)]
    assert call("session", "s").fields == SESSION


def test_endpoints_that_cant_be_read_are_named(call: Call, server: Server) -> None:
    bad = {"id": "ep_1", "url": None, "reason": "no url"}
    server.answers = [(200, {"data": [], "unreadable": [bad]}), (200, {"data": []})]
    assert call("unreadable_webhooks") == {"ep_1": "no url"}
    assert call("unreadable_webhooks") == {}  # of an older Tocsin
    wrongs: list[Any] = [None, {"unreadable": [1]}, {"unreadable": [{}]}]
    for wrong in wrongs:
        server.answers = [(200, wrong)]
        with pytest.raises(httpx.TransportError):
            call("unreadable_webhooks")


def test_both_clients_have_the_same_methods() -> None:
    def methods(of: type, *others: str) -> dict[str, list[str]]:
        return {
            name: [*inspect.signature(each).parameters]
            for name, each in inspect.getmembers(of, inspect.isfunction)
            if not name.startswith("_") and name not in others
        }

    assert methods(Client, "close", "send_batches") == methods(AsyncClient, "aclose")


def test_sending_waits_for_the_places(call: Call, server: Server) -> None:
    places = [{"id": "evt_1", "seq": 7, "hash": "ab"}, {"id": "evt_2", "seq": None, "hash": None}]
    data = {"ingested": 2, "rejected": 0, "sealed": False, "events": places}
    server.answers = [httpx.ReadTimeout("lost"), (202, {"data": data})]
    result = call("send", [{"type": "custom"}] * 2, wait="sealed", partial=True)
    assert result.places == (Place("evt_1", 7, "ab"), Place("evt_2", None, None))
    assert server.paths == ["POST /api/v1/ingest/raw?partial=true&wait=sealed"] * 2
    server.answers = [(202, {"data": {"ingested": 1, "rejected": 0}})]
    assert call("send", [{"type": "custom"}]).places == ()
    assert server.paths[-1] == "POST /api/v1/ingest/raw"
    server.answers = [(202, {"data": data | {"events": [{}]}})] * 9
    with pytest.raises(httpx.RemoteProtocolError):
        call("send", [{"type": "custom"}], wait="sealed")


def test_the_places_of_several_requests_are_in_their_order(call: Call, server: Server) -> None:
    def answer(count: int, seq: int) -> tuple[int, Any]:
        places = [{"id": f"e{at}", "seq": at, "hash": ""} for at in range(seq, seq + count)]
        return 202, {"data": {"ingested": count, "rejected": 0, "events": places}}

    server.answers = [answer(1_000, 1), answer(5, 1_001)]
    result = call("send", [{"type": "custom"}] * 1_005, wait="sealed")
    assert [each.seq for each in result.places] == list(range(1, 1_006))
