"""Events as agents, proxies and policy engines send them, the same ones in every run.

Three shapes, from the products' documents: an Igris tool call with ``metadata``, a Govrix
completion with tokens and cost, a Rampart audit with ``request`` and ``decision``. Names come from
populations of a medium-sized installation; identifiers and quantities differ in every event, and
time moves on by a few milliseconds.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from tocsin.domain.times import iso

__all__ = ["AGENTS", "BATCHES", "SESSIONS", "SHAPES", "bodies", "body", "events"]

BATCHES = (1, 25, 250)
SHAPES = ("igris", "govrix", "rampart")
_CODING_AGENTS, _REPOSITORIES = 8, 8  # Rampart's agents and sessions; Igris and Govrix share theirs
_OTHER_AGENTS, _OTHER_SESSIONS = 24, 40
AGENTS = _CODING_AGENTS + _OTHER_AGENTS
SESSIONS = _REPOSITORIES + _OTHER_SESSIONS
_SEED = 20_260_319
_START = datetime(2026, 3, 19, 10, tzinfo=UTC)
_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"
_TOOLS = (
    "search_database",
    "generate_report",
    "read_file",
    "write_file",
    "send_email",
    "list_issues",
    "create_pull_request",
    "fetch_url",
    "run_tests",
    "query_metrics",
)
_MODELS = (
    ("gpt-4o", "openai", 2.5, 10.0),
    ("gpt-4o-mini", "openai", 0.15, 0.6),
    ("claude-sonnet-4-20250514", "anthropic", 3.0, 15.0),
    ("claude-3-5-haiku-20241022", "anthropic", 0.8, 4.0),
    ("gemini-2.5-pro", "google", 1.25, 10.0),
)
_WORDS = (
    "invoice",
    "customer",
    "overdue",
    "refund",
    "tenant",
    "migration",
    "schema",
    "deploy",
    "rollback",
    "latency",
    "quarter",
    "revenue",
    "cohort",
    "incident",
    "pager",
    "rotation",
    "token",
    "budget",
    "policy",
    "audit",
    "ledger",
    "export",
    "region",
)
_COMMANDS = (
    ("git status", "allow-git"),
    ("git diff --stat origin/main", "allow-git"),
    ("pytest -x tests/unit", "allow-tests"),
    ("ls -la src/{word}", "allow-read"),
    ("grep -rn '{word}' src --include='*.py'", "allow-read"),
    ("curl -s https://api.{word}.example.com/v1/{word2}", "watch-network"),
    ("rm -rf build/{word}", "deny-destructive"),
    ("psql -c 'select count(*) from {word}'", "ask-database"),
)


def events(shape: str | None = None, seed: int = _SEED) -> Iterator[dict[str, Any]]:
    """Yield events for ever, of one shape, or of all three in random order."""
    random = Random(seed)  # noqa: S311 (the same traffic in every run)
    agents = [f"agt_{_identifier(random)}" for _ in range(_OTHER_AGENTS)]
    sessions = [f"ses_{_identifier(random)}" for _ in range(_OTHER_SESSIONS)]
    makers = {"igris": _igris, "govrix": _govrix, "rampart": _rampart}
    moment = _START
    while True:
        moment += timedelta(milliseconds=random.randint(1, 20))
        make = makers[shape or random.choice(SHAPES)]
        at = iso(moment)
        yield make(random, at, agents, sessions)


def body(batch: list[dict[str, Any]]) -> bytes:
    """Return the request body for a batch: one event by itself, several in ``events``."""
    content = batch[0] if len(batch) == 1 else {"events": batch}
    return json.dumps(content, separators=(",", ":")).encode()


def bodies(size: int, count: int, shape: str | None = None) -> list[bytes]:
    """Return ``count`` request bodies of ``size`` events each."""
    source = events(shape)
    return [body([next(source) for _ in range(size)]) for _ in range(count)]


def _igris(random: Random, at: str, agents: list[str], sessions: list[str]) -> dict[str, Any]:
    model = random.choice(_MODELS)
    return {
        "type": "tool_call",
        "toolName": random.choice(_TOOLS),
        "action": random.choices(("allow", "alert", "deny"), (94, 4, 2))[0],
        "timestamp": at,
        "sessionId": random.choice(sessions),
        "agentId": random.choice(agents),
        "serverId": f"mcp-{random.choice(_WORDS[:6])}",
        "metadata": {
            "model": model[0],
            "userId": f"user_{random.randint(1, 500)}",
            "latencyMs": random.randint(5, 4000),
            "resultCount": random.randint(0, 200),
            "query": " ".join(random.choices(_WORDS, k=random.randint(3, 9))),
        },
    }


def _govrix(random: Random, at: str, agents: list[str], sessions: list[str]) -> dict[str, Any]:
    model, provider, dollars_in, dollars_out = random.choice(_MODELS)
    prompt, completion = random.randint(50, 8000), random.randint(10, 1500)
    pii = ["email"] if random.random() < 0.03 else []
    return {
        "id": f"evt_{_identifier(random)}",
        "type": "completion",
        "tool_name": model,
        "agent_id": random.choice(agents),
        "session_id": random.choice(sessions),
        "timestamp": at,
        "direction": "response",
        "model": model,
        "provider": provider,
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "cost_usd": round((prompt * dollars_in + completion * dollars_out) / 1e6, 6),
        "latency_ms": round(random.lognormvariate(6.5, 0.7), 1),
        "status": "ok",
        "compliance_tag": "default",
        "pii_detected": bool(pii),
        "pii_types": pii,
    }


def _rampart(random: Random, at: str, agents: list[str], sessions: list[str]) -> dict[str, Any]:
    command, policy = random.choice(_COMMANDS)
    command = command.format(word=random.choice(_WORDS), word2=random.choice(_WORDS))
    verdict = policy.partition("-")[0]
    decision: dict[str, Any] = {
        "action": verdict,
        "matched_policies": [policy],
        "evaluation_time_us": random.randint(4, 60),
        "message": f"{command.split()[0]} command: {policy}",
    }
    if verdict == "deny":
        decision["suggestions"] = ["ask a reviewer", "limit the path to a temporary folder"]
    return {
        "type": "audit",
        "id": _identifier(random).upper(),
        "timestamp": at,
        "agent_id": f"claude-code-{random.randint(1, _CODING_AGENTS)}",
        "session_id": f"{random.choice(_WORDS[:_REPOSITORIES])}/main",
        "tool_name": "exec",
        "run_id": f"run_{_identifier(random)}",
        "request": {"command": command, "cwd": f"/home/dev/{random.choice(_WORDS)}"},
        "decision": decision,
    }


def _identifier(random: Random) -> str:
    return "01" + "".join(random.choices(_BASE32, k=24))
