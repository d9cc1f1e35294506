"""Payloads of the products' documents become events without loss, and answers in their words."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.canonical import canonical
from tocsin.domain.errors import Malformed, TocsinError, TooLarge
from tocsin.domain.limits import MAX_BODY_BYTES, MAX_EVENT_BYTES
from tocsin.wire.intake.hooks.asking import ASKING, asks
from tocsin.wire.intake.hooks.events import fitting, type_of
from tocsin.wire.intake.hooks.hook import Hook, Ruling, Whose
from tocsin.wire.intake.hooks.payload import load
from tocsin.wire.intake.hooks.products import PRODUCTS
from tocsin.wire.intake.incoming import read
from tocsin.wire.intake.strict import Loaded

SAMPLES = sorted((Path(__file__).parents[5] / "events" / "hooks").glob("*/*.json"))
WHOSE = Whose("claude", "key:k")
NO = Ruling(False, "not allowed")
YES = Ruling(True)
GRANTED = Ruling(True, granted=True)


def hook_of(product: str, payload: Any) -> Hook:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return PRODUCTS[product].read(load(body), WHOSE)


def sample(name: str) -> Any:
    [path] = [each for each in SAMPLES if f"{each.parent.name}/{each.stem}" == name]
    return json.loads(path.read_bytes())


def told_of(name: str) -> dict[str, Any]:
    return hook_of(name.partition("/")[0], sample(name)).told


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


def test_there_are_samples_of_every_product() -> None:
    assert {each.parent.name for each in SAMPLES} == PRODUCTS.keys() == ASKING.keys()


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_nothing_of_a_payload_is_lost_and_the_event_is_a_valid_one(path: Path) -> None:
    product, payload = path.parent.name, json.loads(path.read_bytes())
    hook = hook_of(product, payload)
    assert (hook.call is not None) == asks(product, payload.get("hook_event_name", ""))
    tool = {"tool_name": hook.call.tool} if hook.call else {}
    events = read([hook.told | tool], Loaded(plain=False), batch=False).events
    assert events[0]["metadata"]["via"] == product
    kept = canonical(events).decode()
    call = "" if hook.call is None else canonical(hook.call.what | hook.call.who).decode()
    for leaf in leaves(payload):
        text = leaf if isinstance(leaf, str) else json.dumps(leaf)
        if text in ("API_KEY=not-a-real-one",):
            continue  # what a file holds that is read is not sent on
        if text.startswith("{"):
            assert all(part in kept + call for part in ("Bug", "3")) or "exitCode" in kept
            continue
        escaped = canonical(text).decode()[1:-1]
        assert escaped in kept or escaped in call, text


def test_an_event_that_nobody_knows_is_recorded_as_it_is() -> None:
    told = told_of("claude-code/unknown")
    assert told["type"] == "claude_code.teleport_arrived"
    assert told["session_id"] == "abc123"
    assert told["metadata"]["hook"] == "TeleportArrived"
    assert told["metadata"]["nested"] == {"deep": [1, 2, {"a": None}]}


@pytest.mark.parametrize(
    ("hook", "kind"),
    [
        ("SessionStart", "claude_code.session_start"),
        ("beforeMCPExecution", "claude_code.before_mcp_execution"),
        ("", "claude_code.other"),
        ("x" * 100, "claude_code.other"),
        ("a b/../\n", "claude_code.other"),
        ("Ünïcode", "claude_code.other"),
    ],
)
def test_types_of_events(hook: str, kind: str) -> None:
    assert type_of("claude-code", hook) == kind


def test_what_policies_look_at_stands_where_they_look() -> None:
    call = hook_of("claude-code", sample("claude-code/pre-tool-use-bash")).call
    assert call is not None
    assert (call.tool, call.command, call.cwd) == ("Bash", "npm test", "/home/user/my-project")
    assert call.input == {"description": "Run test suite", "timeout": 120000}
    assert (call.session, call.tool_call_id, call.agent) == ("abc123", "toolu_01ABC123", "claude")
    written = hook_of("claude-code", sample("claude-code/pre-tool-use-write")).call
    assert written is not None
    assert (written.path, written.input) == (
        "/home/user/my-project/a.txt",
        {"content": "file content"},
    )
    assert hook_of("claude-code", sample("claude-code/pre-tool-use-mcp")).server == "memory"
    assert hook_of("gemini-cli", sample("gemini-cli/before-tool-mcp")).server == "github"
    assert hook_of("cursor", sample("cursor/before-mcp-execution")).server == "linear"


def test_a_commands_words_are_one_line_for_policies() -> None:
    payload = sample("codex/pre-tool-use") | {
        "tool_input": {"command": ["bash", "-lc", "rm -rf x"]}
    }
    call = hook_of("codex", payload).call
    assert call is not None
    assert call.command == "bash -lc 'rm -rf x'"
    assert call.input == {"command": ["bash", "-lc", "rm -rf x"]}


def test_a_request_and_its_response_are_one_call() -> None:
    before, after = (
        told_of(f"claude-code/{name}") for name in ("pre-tool-use-bash", "post-tool-use")
    )
    assert (before["type"], before["direction"]) == ("tool_call", "request")
    assert (after["type"], after["direction"]) == ("tool_call", "response")
    assert after["tool_call_id"] == "toolu_01ABC123"
    assert (after["status"], after["latency_ms"]) == ("ok", 512)
    assert after["data"] == {"stdout": "3 passed", "stderr": "", "interrupted": False}
    failed = told_of("claude-code/post-tool-use-failure")
    assert (failed["status"], failed["data"]) == (
        "error",
        "Command exited with non-zero status code 1",
    )


def test_cursors_two_hooks_of_one_call_are_alike() -> None:
    first = hook_of("cursor", sample("cursor/pre-tool-use")).call
    second = hook_of("cursor", sample("cursor/before-shell-execution")).call
    assert first is not None and second is not None
    assert first.tool_call_id == "abc123"
    assert first.nameless == second


@pytest.mark.parametrize(
    ("product", "hook", "ruling", "answer"),
    [
        (
            "claude-code",
            "PreToolUse",
            NO,
            {
                "hookSpecificOutput": {
                    "hookEventName": "PreToolUse",
                    "permissionDecision": "deny",
                    "permissionDecisionReason": "not allowed",
                }
            },
        ),
        (
            "claude-code",
            "PreToolUse",
            YES,
            {"hookSpecificOutput": {"hookEventName": "PreToolUse"}},
        ),
        (
            "claude-code",
            "PermissionRequest",
            NO,
            {
                "hookSpecificOutput": {
                    "hookEventName": "PermissionRequest",
                    "decision": {"behavior": "deny", "message": "not allowed"},
                }
            },
        ),
        (
            "claude-code",
            "PermissionRequest",
            GRANTED,
            {
                "hookSpecificOutput": {
                    "hookEventName": "PermissionRequest",
                    "decision": {"behavior": "allow"},
                }
            },
        ),
        ("codex", "PreToolUse", GRANTED, {}),
        ("codex", "PermissionRequest", YES, {}),
        ("cursor", "preToolUse", YES, {"permission": "allow"}),
        (
            "cursor",
            "beforeShellExecution",
            NO,
            {
                "permission": "deny",
                "user_message": "Tocsin: not allowed",
                "agent_message": "Tocsin: not allowed",
            },
        ),
        ("gemini-cli", "BeforeTool", YES, {"decision": "allow"}),
        ("gemini-cli", "BeforeTool", NO, {"decision": "deny", "reason": "not allowed"}),
    ],
)
def test_answers(product: str, hook: str, ruling: Ruling, answer: dict[str, Any]) -> None:
    assert PRODUCTS[product].ruled(hook, ruling) == answer


def test_what_a_person_approved_claude_code_asks_nobody_about() -> None:
    answer = PRODUCTS["claude-code"].ruled("PreToolUse", GRANTED)
    assert answer["hookSpecificOutput"]["permissionDecision"] == "allow"


@pytest.mark.parametrize(
    "change",
    [
        {"tool_name": ""},
        {"tool_name": None},
        {"tool_name": ["Bash"]},
        {"tool_name": "x" * 257},
        {"session_id": ""},
        {"session_id": {"a": 1}},
    ],
)
@pytest.mark.parametrize(
    "name", ["claude-code/pre-tool-use-bash", "codex/pre-tool-use", "gemini-cli/before-tool"]
)
def test_a_call_that_is_not_told_whole_is_none(name: str, change: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        hook_of(name.partition("/")[0], sample(name) | change)


def test_a_surrogate_makes_a_payload_that_is_not_whole() -> None:
    payload = load(b'{"hook_event_name": "PreToolUse", "x": "\\ud800"}')
    assert not payload.whole
    assert payload.peek("x") == "\N{REPLACEMENT CHARACTER}"
    assert load('{"x": "\U0001f600"}'.encode()).whole
    assert load(b'{"x": "\\ud83d\\ude00"}').whole


def test_numbers_that_json_loses_are_text() -> None:
    payload = load(b'{"a": 9007199254740993, "b": NaN, "c": -Infinity, "d": 1e999, "e": 12}')
    assert payload.rest() == {
        "a": "9007199254740993",
        "b": "NaN",
        "c": "-Infinity",
        "d": "1e999",
        "e": 12,
    }


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", Malformed),
        (b"[]", Malformed),
        (b'"PreToolUse"', Malformed),
        (b"\xff{}", Malformed),
        (b"{", Malformed),
        (b"[" * 100_000, TooLarge),
        (b'{"a":' * 100_000, TooLarge),
        (b"x" * (MAX_BODY_BYTES + 1), TooLarge),
    ],
)
def test_what_is_no_payload_is_refused(body: bytes, error: type[TocsinError]) -> None:
    with pytest.raises(error):
        load(body)


def test_what_is_deep_is_text_and_still_there() -> None:
    deep: Any = "end"
    for _ in range(200):
        deep = [deep]
    told = hook_of("claude-code", {"hook_event_name": "Stop", "deep": deep}).told
    [event] = read([told], Loaded(plain=False), batch=False).events
    assert "end" in canonical(event).decode()


@pytest.mark.parametrize(
    "large",
    [
        {"stdout": "x" * 2_000_000},
        {str(at): "y" * 100 for at in range(20_000)},
        ["é" * 10_000] * 60,
        {"k" * 300_000: 1},
        [1e20] * 30_000,
    ],
)
def test_a_large_event_fits_and_names_what_it_leaves_out(large: Any) -> None:
    payload = sample("claude-code/post-tool-use") | {"tool_response": large}
    event = fitting(hook_of("claude-code", payload).told)
    assert len(canonical(event)) < MAX_EVENT_BYTES - 8_192
    assert "SHA-256" in canonical(event).decode()
    assert event["metadata"]["via"] == "claude-code"
    small = told_of("claude-code/post-tool-use")
    assert fitting(small) == small


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
FIELDS = sorted({field for path in SAMPLES for field in json.loads(path.read_bytes())})
NAMES = sorted({name for names in ASKING.values() for name in names} | {"Stop", "postToolUse"})


@given(
    st.sampled_from(sorted(PRODUCTS)),
    st.sampled_from(NAMES) | st.text(),
    st.dictionaries(st.sampled_from(FIELDS) | st.text(), json_values, max_size=6),
)
def test_whatever_a_payload_holds_it_is_an_event_or_refused(
    product: str, name: str, payload: dict[str, Any]
) -> None:
    try:
        hook = hook_of(product, payload | {"hook_event_name": name})
    except Malformed:
        assert asks(product, name)
        return
    tool = {"tool_name": hook.call.tool} if hook.call else {}
    [event] = read([fitting(hook.told) | tool], Loaded(plain=False), batch=False).events
    canonical(event)
    if hook.call is not None:
        assert len(hook.call.digest) == 32
