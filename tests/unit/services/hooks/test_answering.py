"""A hook's call is decided by the one engine, and a person is asked once."""

from dataclasses import replace
from typing import Any

import pytest

from fakes.desk import key
from fakes.hooked import PERMISSION, PRE, Hooked
from tocsin.domain.errors import Busy, Forbidden, IntegrityError, Malformed, QuotaExhausted
from tocsin.domain.keys import Scope
from tocsin.domain.limits import (
    APPROVAL_SECONDS,
    HOOK_WAIT_SECONDS,
    HOOK_WAITS_PER_ORG,
    MAX_CALL_BYTES,
)
from tocsin.domain.policy import CANARY, Decision
from tocsin.domain.sessions import SessionStatus
from tocsin.services.hooks.answering import Answered
from tocsin.services.sessions.deciding import Deciding

LS = PRE | {"tool_input": {"command": "ls"}}


@pytest.fixture
def hooks() -> Hooked:
    return Hooked()


def decision(answered: Answered) -> str | None:
    output: dict[str, Any] = answered.answer["hookSpecificOutput"]
    found: str | None = output.get("permissionDecision") or output.get("decision", {}).get(
        "behavior"
    )
    return found


def test_what_policies_allow_is_left_to_the_products_own_permissions(hooks: Hooked) -> None:
    assert hooks.post(LS).answer == {"hookSpecificOutput": {"hookEventName": "PreToolUse"}}
    assert decision(hooks.post(LS, grant=True)) == "allow"
    [event, _] = hooks.events
    assert (event["type"], event["action"], event["direction"]) == (
        "tool_call",
        "allow",
        "request",
    )
    assert (event["agent_id"], event["session_id"]) == ("claude-code", "s")
    assert (event["tool_name"], event["tool_call_id"]) == ("Bash", "t1")
    assert event["request"] == {"tool": "Bash", "command": "ls", "cwd": "/p"}
    assert event["metadata"] == {"via": "claude-code", "hook": "PreToolUse"}


def test_what_policies_deny_is_denied_with_the_reason(hooks: Hooked) -> None:
    answered = hooks.post(PRE | {"tool_input": {"file_path": "/home/u/.ssh/id_rsa"}})
    assert decision(answered) == "deny"
    assert "Credentials are not for agents." in answered.message
    assert "use a key of your own with fewer rights" in answered.message
    assert hooks.events[0]["action"] == "deny"


def test_a_person_who_answers_in_time_decides(hooks: Hooked) -> None:
    hooks.meanwhile = lambda: hooks.resolve(approved=True)
    assert decision(hooks.post(PRE)) == "allow"
    assert hooks.seconds == 1
    [event] = hooks.events
    assert (event["action"], event["decision"]["message"]) == (
        "allow",
        "approved by maria@example.com",
    )
    hooks.meanwhile = lambda: hooks.resolve(approved=False)
    answered = hooks.post(PRE | {"tool_use_id": "t2"})
    assert decision(answered) == "deny"
    assert answered.message.startswith("denied by maria@example.com")


def test_without_an_answer_it_is_denied_and_says_where_to_approve(hooks: Hooked) -> None:
    answered = hooks.post(PRE)
    assert decision(answered) == "deny"
    [id] = hooks.pending
    assert hooks.seconds == HOOK_WAIT_SECONDS
    assert f"tocsin approvals approve {id}" in answered.message
    assert "https://tocsin.example.com" in answered.message
    assert not hooks.places.held
    [event] = hooks.events
    assert (event["action"], event["request"]["approval_id"]) == ("deny", id)


def test_an_approval_that_came_too_late_lets_the_next_try_through_once(hooks: Hooked) -> None:
    hooks.post(PRE)
    hooks.resolve(approved=True)
    again = hooks.post(PRE | {"tool_use_id": "t2"})
    assert decision(again) == "allow"
    assert decision(hooks.post(PRE | {"tool_use_id": "t3"})) == "deny"
    assert hooks.asked == 2


@pytest.mark.parametrize(
    "change",
    [
        {"session_id": "another"},
        {"tool_input": {"command": "rm -rf /"}},
        {"tool_name": "Shell"},
        {"cwd": "/"},
    ],
)
def test_it_lets_nothing_else_through(hooks: Hooked, change: dict[str, Any]) -> None:
    hooks.post(PRE)
    hooks.resolve(approved=True)
    assert decision(hooks.post(PRE | change)) == "deny"
    assert hooks.asked == 2


def test_nor_another_agents_call_or_another_keys(hooks: Hooked) -> None:
    hooks.post(PRE)
    hooks.resolve(approved=True)
    assert decision(hooks.post(PRE, agent="other")) == "deny"
    assert decision(hooks.post(PRE, key=key(Scope.INGEST))) == "deny"
    assert decision(hooks.post(PRE, key=key(Scope.INGEST, org="other"))) == "deny"


def test_what_a_person_denied_nobody_is_asked_about_again(hooks: Hooked) -> None:
    hooks.post(PRE)
    hooks.resolve(approved=False)
    answered = hooks.post(PRE | {"tool_use_id": "t2"})
    assert (decision(answered), hooks.asked) == ("deny", 1)
    hooks.desk.clock.ms += APPROVAL_SECONDS * 1_000
    hooks.post(PRE | {"tool_use_id": "t3"})
    assert hooks.asked == 2


def test_the_hooks_of_one_call_ask_one_person(hooks: Hooked) -> None:
    hooks.meanwhile = lambda: hooks.resolve(approved=True)
    assert decision(hooks.post(PRE)) == "allow"
    assert decision(hooks.post(PERMISSION)) == "allow"
    assert hooks.asked == 1
    assert [event["type"] for event in hooks.events] == [
        "tool_call",
        "claude_code.permission_request",
    ]
    assert {event["tool_call_id"] for event in hooks.events} == {"t1"}


def test_and_in_the_other_order_too(hooks: Hooked) -> None:
    shell = {"hook_event_name": "beforeShellExecution", "conversation_id": "s", "cwd": "/p"}
    shell["command"] = "rm -rf build"
    tool = {"hook_event_name": "preToolUse", "conversation_id": "s", "tool_name": "Shell"}
    more = {"tool_input": {"command": "rm -rf build", "is_background": False}, "cwd": "/p"}
    hooks.meanwhile = lambda: hooks.resolve(approved=True)
    for payload in (shell, tool | more | {"tool_use_id": "t"}):
        assert hooks.post(payload, "cursor").answer == {"permission": "allow"}
    assert hooks.asked == 1


def test_but_a_call_without_an_id_is_another_one_each_time(hooks: Hooked) -> None:
    before = {
        "hook_event_name": "BeforeTool",
        "session_id": "s",
        "tool_name": "run_shell_command",
        "tool_input": {"command": "rm -rf build"},
    }
    hooks.meanwhile = lambda: hooks.resolve(approved=True)
    for count in (1, 2):
        assert hooks.post(before, "gemini-cli").answer == {"decision": "allow"}
        assert hooks.asked == count


def test_one_approval_lets_one_of_two_that_wait_for_it_through(hooks: Hooked) -> None:
    answers: list[Answered] = []

    def the_other() -> None:
        hooks.meanwhile = lambda: hooks.resolve(approved=True)
        answers.append(hooks.post(PRE | {"tool_use_id": "t2"}))
        hooks.meanwhile = lambda: None

    hooks.meanwhile = the_other
    answers.append(hooks.post(PRE))
    assert sorted(map(str, map(decision, answers))) == ["allow", "deny"]
    assert hooks.asked == 1


def test_beyond_the_places_of_an_org_it_is_denied_at_once(hooks: Hooked) -> None:
    now_ms = hooks.desk.clock.ms
    for _ in range(HOOK_WAITS_PER_ORG):
        assert hooks.places.take("acme", HOOK_WAITS_PER_ORG, now_ms, now_ms + 60_000)
    answered = hooks.post(PRE)
    assert (decision(answered), hooks.seconds) == ("deny", 0)
    assert "wait for a person already" in answered.message
    hooks.post(PRE, key=key(Scope.INGEST, org="other"))
    assert hooks.seconds == HOOK_WAIT_SECONDS  # another org waits as ever


def test_where_the_store_fails_while_it_waits_it_waits_on(
    hooks: Hooked, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    waits = hooks.desk.store.waits

    def flaky(org: str, id: str) -> bool:
        looks.append(id)
        if len(looks) < 3:
            raise Busy("throttled")
        hooks.resolve(approved=True)
        return waits(org, id)

    monkeypatch.setattr(hooks.desk.store, "waits", flaky)
    assert decision(hooks.post(PRE)) == "allow"
    assert len(looks) == 3


def test_suspended_while_it_waits_is_denied(hooks: Hooked) -> None:
    maria = hooks.desk.maria

    def suspend() -> None:
        Deciding(hooks.sessions, hooks.desk.clock).set(
            maria.org, maria.holder, "s", SessionStatus.SUSPENDED, "no"
        )
        hooks.desk.clock.ms += 4_000
        hooks.resolve(approved=True)

    hooks.meanwhile = suspend
    answered = hooks.post(PRE)
    assert (decision(answered), answered.message[:24]) == ("deny", "the session is suspended")


def test_who_waits_by_itself_comes_again_with_the_approval(hooks: Hooked) -> None:
    asked = hooks.post(PRE, hold_seconds=540)
    assert (asked.decision, hooks.seconds, hooks.events) == (Decision.ASK, 0, [])
    assert asked.approval
    assert asked.approval.expires_at_ms - hooks.desk.clock.ms == 540_000
    id = asked.approval.id
    assert hooks.post(PRE, hold_seconds=500, approval=id).decision is Decision.ASK
    hooks.resolve(approved=True)
    assert hooks.post(PRE, hold_seconds=500, approval=id).decision is Decision.ALLOW
    assert hooks.post(PRE, hold_seconds=500, approval=id).decision is Decision.DENY
    assert hooks.asked == 1
    assert [event["action"] for event in hooks.events] == ["allow", "deny"]


def test_not_with_another_calls_approval(hooks: Hooked) -> None:
    asked = hooks.post(PRE, hold_seconds=540)
    assert asked.approval
    hooks.resolve(approved=True)
    for change in ({"session_id": "b"}, {"tool_input": {"command": "rm -rf /"}}):
        answered = hooks.post(PRE | change, hold_seconds=540, approval=asked.approval.id)
        assert answered.decision is Decision.DENY
    missing = "apr_" + "0" * 26
    assert hooks.post(PRE, hold_seconds=540, approval=missing).decision is Decision.DENY
    other = key(Scope.INGEST, org="other")
    answered = hooks.post(PRE, key=other, hold_seconds=540, approval=asked.approval.id)
    assert answered.decision is Decision.DENY


def test_nor_with_one_that_has_expired(hooks: Hooked) -> None:
    asked = hooks.post(PRE, hold_seconds=10)
    assert asked.approval
    hooks.desk.clock.ms += 10_000
    answered = hooks.post(PRE, hold_seconds=10, approval=asked.approval.id)
    assert (answered.decision, hooks.asked) == (Decision.DENY, 1)


def test_the_canary_is_denied_whatever_policies_say(hooks: Hooked) -> None:
    hooks.keeping.put(key(Scope.ADMIN), "permit(principal, action, resource);", None)
    assert decision(hooks.post(PRE)) is None
    assert decision(hooks.post(PRE | {"tool_name": CANARY}, grant=True)) == "deny"


@pytest.mark.parametrize(
    "payload",
    [
        PRE | {"tool_name": 7},
        PRE | {"session_id": ""},
        PRE | {"tool_input": {"command": "rm -rf " + "x" * MAX_CALL_BYTES}},
    ],
)
def test_what_can_not_be_decided_is_denied(hooks: Hooked, payload: dict[str, Any]) -> None:
    assert decision(hooks.post(payload)) == "deny"


def test_text_that_is_none_is_denied(hooks: Hooked) -> None:
    body = b'{"hook_event_name":"PreToolUse","session_id":"s","tool_name":"Bash",'
    assert decision(hooks.post(body + b'"tool_input":{"command":"ls \\ud800"}}')) == "deny"
    assert decision(hooks.post(body + b'"tool_input":{"command":"ls"}}')) is None


@pytest.mark.parametrize("error", [Busy("no"), IntegrityError("acme", 1, "no")])
def test_where_a_store_fails_it_is_denied(
    hooks: Hooked, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> Any:
        raise error

    monkeypatch.setattr(hooks.desk.journal, "put", fail)
    assert decision(hooks.post(LS, grant=True)) == "deny"


def test_without_quota_it_is_denied_and_a_record_is_refused() -> None:
    hooks = Hooked(limit=0)
    assert decision(hooks.post(LS, grant=True)) == "deny"
    with pytest.raises(QuotaExhausted):
        hooks.post({"hook_event_name": "Stop"})


def test_a_large_call_is_decided_whole_and_recorded_in_short(hooks: Hooked) -> None:
    write = PRE | {"tool_input": {"file_path": "/p/a", "content": "x" * 1_000_000}}
    assert decision(hooks.post(write, grant=True)) == "allow"
    [event] = hooks.events
    assert "1,000,000 bytes" in event["request"]["input"]["content"]
    assert event["request"]["path"] == "/p/a"


def test_whatever_else_is_told_is_recorded(hooks: Hooked) -> None:
    answered = hooks.post(PRE | {"hook_event_name": "PostToolUse", "tool_response": {"out": 1}})
    assert (answered.answer, answered.decision) == ({}, None)
    hooks.post({"hook_event_name": "NeverHeardOf", "x": [1]})
    hooks.post({"no": "name"})
    done, unknown, nameless = hooks.events
    assert (done["direction"], done["data"]) == ("response", {"out": 1})
    assert unknown["type"] == "claude_code.never_heard_of"
    assert unknown["metadata"] == {"x": [1], "via": "claude-code", "hook": "NeverHeardOf"}
    assert nameless["type"] == "claude_code.other"


def test_an_agents_own_key_speaks_for_no_other(hooks: Hooked) -> None:
    own = replace(key(Scope.INGEST), agent="reviewer")
    hooks.post(LS, key=own)
    hooks.post({"hook_event_name": "Stop", "agent_id": "a-subagent"}, key=own)
    assert [event["agent_id"] for event in hooks.events] == ["reviewer", "reviewer"]
    assert hooks.events[1]["metadata"]["agent_id"] == "a-subagent"
    with pytest.raises(Forbidden):
        hooks.post(LS, key=own, agent="other")


def test_what_is_no_payload_is_refused(hooks: Hooked) -> None:
    with pytest.raises(Malformed):
        hooks.post(b"[]")
