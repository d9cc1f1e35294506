"""Coding agents' hooks with the real engine behind them: what is decided is what happens."""

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from integration.test_hook_failures import FIRST, TOCSIN, WAYS, installed, name_of, payload
from support.databases import Database
from support.hook_service import HookService, hook_service, serving_hooks
from support.hooking import CodingAgent
from support.waiting import until
from tocsin.domain.limits import HOOK_WAITS_PER_ORG
from tocsin.domain.org import Org
from tocsin.domain.sessions import SessionStatus
from tocsin.wire.intake.hooks.asking import ASKING

RM = {"command": "rm -rf build"}


@pytest.fixture(scope="module")
def hooks(database: Database) -> Iterator[HookService]:
    with serving_hooks(hook_service(database.stores()[0])) as service:
        yield service


@pytest.fixture
def org(request: pytest.FixtureRequest) -> str:
    """An org of the test's own."""
    return "o" + sha256(request.node.nodeid.encode()).hexdigest()[:12]


def agent_of(
    home: Path, hooks: HookService, org: str, product: str, *, http: bool = False
) -> CodingAgent:
    agent = installed(home, product, hooks.url, http=http)
    agent.env = {**agent.env, "TOCSIN_API_KEY": hooks.key(org)}
    return agent


@pytest.fixture(params=WAYS, ids=name_of)
def agent(
    request: pytest.FixtureRequest, tmp_path: Path, hooks: HookService, org: str
) -> CodingAgent:
    product, http = request.param
    return agent_of(tmp_path, hooks, org, product, http=http)


def of(agent: CodingAgent, **more: Any) -> dict[str, Any]:
    return payload(agent.product, **more)


def test_what_policies_allow_runs_and_is_recorded(
    agent: CodingAgent, hooks: HookService, org: str
) -> None:
    call = agent.call(of(agent))
    assert call.ran and call.decided, call
    [event] = hooks.events(org)
    assert (event["type"], event["action"]) == ("tool_call", "allow")
    assert event["metadata"]["via"] == agent.product


def test_what_policies_deny_does_not(agent: CodingAgent, hooks: HookService, org: str) -> None:
    call = agent.call(of(agent, tool_input={"command": "cat ~/.aws/credentials"}))
    assert not call.ran
    assert "Credentials are not for agents." in call.said
    assert hooks.events(org)[0]["action"] == "deny"


@pytest.mark.parametrize("approved", [True, False])
def test_a_person_decides_while_it_waits(
    agent: CodingAgent, hooks: HookService, org: str, approved: bool
) -> None:
    with ThreadPoolExecutor(1) as person:
        answer = person.submit(hooks.resolve, approved=approved, org=org)
        call = agent.call(of(agent, tool_input=RM))
        answer.result()
    assert (call.ran, call.decided) == (approved, True), call
    [event] = hooks.events(org)
    assert event["action"] == ("allow" if approved else "deny")


def test_nobody_answers(agent: CodingAgent, hooks: HookService, org: str) -> None:
    text = agent.settings.read_text()
    agent.settings.write_text(
        text.replace(f"hook {agent.product}", f"hook {agent.product} --seconds 2")
    )
    call = agent.call(of(agent, tool_input=RM))
    assert not call.ran
    assert hooks.pending(org)[0] in call.said


def test_in_a_suspended_session_nothing_runs(
    agent: CodingAgent, hooks: HookService, org: str
) -> None:
    said = of(agent)
    session = said.get("session_id") or said["conversation_id"]
    hooks.parts.sessions.set(org, "maria", session, SessionStatus.SUSPENDED, "stop")
    call = agent.call(said)
    assert not call.ran
    assert "suspended" in call.said


def test_beyond_the_quota_nothing_runs(agent: CodingAgent, hooks: HookService, org: str) -> None:
    hooks.stores.orgs.put(Org(org, 0))
    call = agent.call(of(agent))
    assert not call.ran
    assert hooks.events(org) == []


def test_without_a_valid_key_nothing_runs(agent: CodingAgent, hooks: HookService) -> None:
    agent.env = {**agent.env, "TOCSIN_API_KEY": "tocsin_acme_0123456789ab_wrong"}
    assert not agent.call(of(agent)).ran


def test_another_orgs_approval_lets_nothing_through(
    agent: CodingAgent, hooks: HookService, org: str
) -> None:
    other = f"x{org}"[:40]
    with ThreadPoolExecutor(1) as person:
        answer = person.submit(hooks.resolve, approved=True, org=org)
        assert agent.call(of(agent, tool_input=RM)).ran
        answer.result()
    agent.env = {**agent.env, "TOCSIN_API_KEY": hooks.key(other)}
    text = agent.settings.read_text()
    agent.settings.write_text(
        text.replace(f"hook {agent.product}", f"hook {agent.product} --seconds 2")
    )
    assert not agent.call(of(agent, tool_input=RM)).ran
    assert {event["action"] for event in hooks.events(org)} == {"allow"}


@pytest.mark.parametrize("product", ASKING)
def test_a_command_that_waits_lives_through_a_restart(
    tmp_path: Path, database: Database, product: str
) -> None:
    """A person answers while nobody can be reached, and the answer counts."""
    stores = database.stores()[0]
    with ThreadPoolExecutor(1) as threads:
        with serving_hooks(hook_service(stores)) as first:
            agent = agent_of(tmp_path, first, "acme", product)
            call = threads.submit(agent.call, of(agent, tool_input=RM))
            until(lambda: first.waiting.count > 0, "the command waits")
        second = hook_service(stores)
        second.resolve(approved=True)
        with serving_hooks(second, urlsplit(first.url).port or 0):
            assert call.result().ran


def test_beyond_the_places_of_an_org_others_wait_as_ever(
    tmp_path: Path, hooks: HookService, org: str
) -> None:
    now_ms = hooks.parts.clock.now_ms()
    for _ in range(HOOK_WAITS_PER_ORG):
        hooks.stores.places.take(org, HOOK_WAITS_PER_ORG, now_ms, now_ms + 600_000)
    agent = agent_of(tmp_path, hooks, org, "claude-code", http=True)
    call = agent.call(of(agent, tool_input=RM))
    assert not call.ran
    assert "wait for a person already" in call.said
    other = f"y{org}"[:40]
    agent.env = {**agent.env, "TOCSIN_API_KEY": hooks.key(other)}
    with ThreadPoolExecutor(1) as person:
        answer = person.submit(hooks.resolve, approved=True, org=other)
        assert agent.call(of(agent, tool_input=RM)).ran
        answer.result()


def test_one_call_is_one_call(tmp_path: Path, hooks: HookService, org: str) -> None:
    agent = agent_of(tmp_path, hooks, org, "claude-code", http=True)
    before = of(agent, tool_input=RM)
    permission = {name: value for name, value in before.items() if name != "tool_use_id"}
    permission["hook_event_name"] = "PermissionRequest"
    with ThreadPoolExecutor(1) as person:
        answer = person.submit(hooks.resolve, approved=True, org=org)
        assert agent.call(before).ran
        answer.result()
    assert agent.call(permission).ran  # and nobody is asked again
    assert hooks.pending(org) == []
    after = before | {"hook_event_name": "PostToolUse", "tool_response": {"stdout": ""}}
    assert all(each.ran for each in agent.tell(after))
    request, _, response = hooks.events(org)
    assert (request["direction"], response["direction"]) == ("request", "response")
    assert request["tool_call_id"] == response["tool_call_id"] == before["tool_use_id"]


def test_hostile_payloads_are_answered_and_cost_nobody_anything(
    hooks: HookService, org: str
) -> None:
    headers = {"Authorization": f"Bearer {hooks.key(org)}"}
    deep = '{"hook_event_name":"PreToolUse","session_id":"s","tool_name":"x","tool_input":'
    bodies = [
        b"",
        b"[]",
        b"{" * 50_000,
        (deep + "[" * 5_000 + "]" * 5_000 + "}").encode(),
        (deep + "1" * 100_000 + "}").encode(),
        (deep + '"\\udc00"}').encode(),
        json.dumps({"hook_event_name": "x" * 1_000_000}).encode(),
        json.dumps({"hook_event_name": {"a": 1}, "session_id": [1]}).encode(),
        b"\xff\xfe{}",
        b" " * 4_200_000,
    ]
    for product in ASKING:
        for body in bodies:
            answer = httpx.post(
                f"{hooks.url}/v1/hooks/{product}", content=body, headers=headers, timeout=60
            )
            assert answer.status_code in (200, 400, 413), answer.text
            assert "Traceback" not in answer.text
    for query in ("hold=5", "hold=x", "hold=99999", "approval=1", "agent=" + "x" * 257, "x=1"):
        url = f"{hooks.url}/v1/hooks/codex?{query}"
        assert httpx.post(url, content=b"{}", headers=headers).status_code == 400
    assert httpx.post(f"{hooks.url}/v1/hooks/nobody", headers=headers).status_code == 404


def cli(home: Path, *args: str, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    return subprocess.run(  # noqa: S603 (our own program)
        [TOCSIN, *args],
        capture_output=True,
        text=True,
        cwd=home,
        env=clean | {"HOME": str(home), "PATH": f"{home}/bin:{os.environ['PATH']}"} | variables,
        check=False,
        timeout=120,
    )


def claude_code(home: Path, version: str) -> None:
    program = home / "bin" / "claude"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\necho '{version} (Claude Code)'\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("product", "version", "kind"),
    [
        ("claude-code", "2.1.295", "http"),
        ("claude-code", "2.1.294", "command"),
        *((product, "", "command") for product in FIRST),
    ],
)
def test_install_and_doctor_from_nothing(
    tmp_path: Path, hooks: HookService, org: str, product: str, version: str, kind: str
) -> None:
    if version:
        claude_code(tmp_path, version)
    else:
        claude_code(tmp_path, "unknown")
    found = {"TOCSIN_URL": hooks.url, "TOCSIN_API_KEY": hooks.key(org)}
    nothing = cli(tmp_path, "doctor", product, **found)
    assert (nothing.returncode, "asks about no call" in nothing.stdout) == (1, True)
    done = cli(tmp_path, "install", product, **found)
    assert done.returncode == 0, done.stderr
    [written] = [each for each in tmp_path.rglob("*.json") if f".{product[:4]}" in str(each)]
    assert ('"http"' in written.read_text()) == (kind == "http")
    assert found["TOCSIN_API_KEY"] not in written.read_text()
    well = cli(tmp_path, "doctor", **found)
    assert well.returncode == 0, well.stdout
    assert "holds a call that Tocsin denies" in well.stdout
    wrong = cli(tmp_path, "doctor", **found | {"TOCSIN_API_KEY": "tocsin_acme_0_wrong"})
    assert (wrong.returncode, "the key is not valid" in wrong.stdout) == (1, True)
    assert "holds every call, since it can't ask Tocsin" in wrong.stdout
    gone = cli(tmp_path, "install", product, "--remove", **found)
    assert gone.returncode == 0
    assert not written.exists()


def test_doctor_finds_a_hook_that_lets_calls_through(
    tmp_path: Path, hooks: HookService, org: str
) -> None:
    claude_code(tmp_path, "2.1.295")
    found = {"TOCSIN_URL": hooks.url, "TOCSIN_API_KEY": hooks.key(org)}
    assert cli(tmp_path, "install", "claude-code", **found).returncode == 0
    settings = tmp_path / ".claude" / "settings.json"
    text = settings.read_text()
    settings.write_text(text.replace('"onFailure": "block"', '"onFailure": "continue"'))
    open_ = cli(tmp_path, "doctor", **found)
    assert (open_.returncode, "lets calls through while" in open_.stdout) == (1, True)
    settings.write_text(text.replace(hooks.url, "http://127.0.0.1:9"))
    elsewhere = cli(tmp_path, "doctor", **found)
    assert (elsewhere.returncode, "is for another Tocsin" in elsewhere.stdout) == (1, True)
