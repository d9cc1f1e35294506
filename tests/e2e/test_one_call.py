"""A call that a hook, an exporter and a relay tell of is one, and so is a model's call."""

import json
import random
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from support.orgs import NewOrg
from support.product import Product
from support.waiting import HANG_SECONDS, until

pytestmark = pytest.mark.xdist_group("product")

EVENTS = Path(__file__).parents[2] / "events"
HOOK: dict[str, Any] = json.loads(
    (EVENTS / "hooks/claude-code/pre-tool-use-bash.json").read_bytes()
)
LOGS: dict[str, Any] = json.loads((EVENTS / "otlp-claude-code.json").read_bytes())
CALLS, AT_ONCE = 30, 6  # a session remembers eight requests


def record_of(event: str, **changed: str) -> dict[str, Any]:
    """Return a request of Claude Code's exporter with one record of the sample."""
    found = deepcopy(LOGS)
    scope = found["resourceLogs"][0]["scopeLogs"][0]
    record = next(
        each
        for each in scope["logRecords"]
        if each["body"]["stringValue"] == f"claude_code.{event}"
    )
    for attribute in record["attributes"]:
        if attribute["key"] in changed:
            attribute["value"] = {"stringValue": changed[attribute["key"]]}
    scope["logRecords"] = [record]
    return found


def test_what_three_sources_tell_of_counts_once(product: Product) -> None:
    org = NewOrg(product)

    def post(path: str, body: Any) -> Callable[[], None]:
        def send() -> None:
            answer = httpx.post(
                f"{product.url}{path}",
                json=body,
                headers={"Authorization": f"Bearer {org.key}"},
                timeout=HANG_SECONDS,
            )
            assert answer.status_code == 200, answer.text

        return send

    reports = []
    for _ in range(CALLS):
        id = f"toolu_{uuid4().hex}"
        hook = HOOK | {"tool_use_id": id, "tool_name": "Bash"}
        after = {"hook_event_name": "PostToolUse", "tool_response": {"stdout": "ok"}}
        relayed = {"type": "tool_call", "toolName": "Bash", "sessionId": "relay", "toolCallId": id}
        reports += [
            post("/v1/hooks/claude-code", hook),
            post("/v1/hooks/claude-code", hook | after | {"duration_ms": 512}),
            post("/v1/logs", record_of("tool_decision", tool_use_id=id)),
            post("/v1/logs", record_of("tool_result", tool_use_id=id)),
            post("/api/v1/ingest/raw", relayed),
        ]
    shuffled = random.Random(7)  # noqa: S311
    shuffled.shuffle(reports)
    for _ in range(CALLS // AT_ONCE):
        asked, told = [], []
        for _ in range(AT_ONCE):
            model = {"type": "completion", "toolName": "chat", "model": "gpt-4o"}
            prompt = {"promptId": uuid4().hex}
            costs = {"totalTokens": 100, "promptTokens": 60, "completionTokens": 40, "costUsd": 0.5}
            named = {"metadata": {"response_id": f"chatcmpl-{uuid4().hex}"}}
            answered = model | costs | named
            asked.append(post("/api/v1/ingest/raw", model | prompt | {"direction": "request"}))
            told += [
                post("/api/v1/ingest/raw", answered | prompt | {"direction": "response"}),
                post("/api/v1/ingest/raw", answered | {"agentId": "exporter"}),
            ]
        shuffled.shuffle(told)
        reports += asked + told
    for report in reports:
        report()

    def counted(by: str) -> dict[str, Any]:
        answer = httpx.get(
            f"{product.url}/api/v1/costs/breakdown",
            params={"group_by": by},
            headers={"Authorization": f"Bearer {org.key}"},
            timeout=HANG_SECONDS,
        )
        assert answer.status_code == 200, answer.text
        return {
            each["group"]: (each["requests"], each["tokens"], each["cost_usd"])
            for each in answer.json()["data"]
        }

    chats = CALLS, 100 * CALLS, 0.5 * CALLS
    until(lambda: counted("tool").get("chat") == chats, "projected")
    assert counted("tool") == {"Bash": (CALLS, 0, 0), "chat": chats}
    assert counted("model") == {"gpt-4o": chats}
