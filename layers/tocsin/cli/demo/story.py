"""The demo's minute, written down: who does what when. No I/O.

Four agents work on one incident. One of them runs into a loop, one asks for what policies should
deny and for what a person should be asked about. Every event says ``metadata.generated``.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

__all__ = ["AGENTS", "LOOPING", "Beat", "story"]

type _Step = tuple[str, str, dict[str, Any], str]


@dataclass(frozen=True, slots=True)
class Beat:
    """One moment of the story.

    Attributes:
        at_seconds: When, from the beginning.
        agent: Whose it is.
        line: What the viewer is told.
        event: What is sent; of a call that is decided, what is sent once it was made.
        params: Of a call that policies decide, its arguments; None: it is told of afterwards.
    """

    at_seconds: float
    agent: str
    line: str
    event: dict[str, Any]
    params: dict[str, Any] | None = None


class _Agent(NamedTuple):
    provider: str
    model: str
    begins_seconds: float
    steps: Sequence[_Step]


_OK: Final = "ok"
_ERROR: Final = "error"
_DECIDED: Final = "decided"
_FAILING: Final[_Step] = (
    "run_tests",
    "3 failed, 41 passed",
    {"command": "pytest tests/test_billing.py"},
    _ERROR,
)

LOOPING: Final = "demo-coder"
"""The agent that makes the same call again and again, which detection finds."""

AGENTS: Final = {
    "demo-researcher": _Agent(
        "anthropic",
        "claude-sonnet-4-5",
        0.5,
        (
            ("web_search", "6 results", {"query": "invoice rounding EU VAT"}, _OK),
            ("fetch_page", "503 from the site", {"url": "https://example.com/vat"}, _ERROR),
            ("fetch_page", "18 KB of text", {"url": "https://example.com/vat"}, _OK),
            ("web_search", "9 results", {"query": "bankers rounding in SQL"}, _OK),
            ("fetch_page", "7 KB of text", {"url": "https://example.com/rounding"}, _OK),
            ("save_note", "saved", {"title": "Rounding: half up, per line"}, _OK),
        ),
    ),
    LOOPING: _Agent(
        "openai",
        "gpt-5-mini",
        3.0,
        (
            ("read_file", "212 lines", {"path": "billing/invoice.py"}, _OK),
            ("edit_file", "4 lines changed", {"path": "billing/invoice.py"}, _OK),
            *[_FAILING] * 12,
        ),
    ),
    "demo-support": _Agent(
        "google",
        "gemini-2.5-flash",
        5.5,
        (
            ("lookup_order", "order 4711, paid", {"order": "4711"}, _OK),
            ("search_tickets", "3 tickets alike", {"query": "wrong total"}, _OK),
            ("lookup_order", "order 4730, open", {"order": "4730"}, _OK),
            ("draft_reply", "a draft of 90 words", {"ticket": "T-88"}, _OK),
            ("lookup_order", "timed out after 10 s", {"order": "4802"}, _ERROR),
            ("draft_reply", "a draft of 60 words", {"ticket": "T-91"}, _OK),
        ),
    ),
    "demo-ops": _Agent(
        "anthropic",
        "claude-haiku-4-5",
        2.0,
        (
            ("list_tables", "14 tables", {"database": "billing"}, _OK),
            ("read_file", "the file", {"path": "/home/demo/.aws/credentials"}, _DECIDED),
            (
                "exec",
                "the table is gone",
                {"command": 'psql billing -c "DROP TABLE invoices_old"'},
                _DECIDED,
            ),
            ("query", "0 rows", {"sql": "SELECT count(*) FROM invoices WHERE total < 0"}, _OK),
            ("list_tables", "14 tables", {"database": "billing"}, _OK),
        ),
    ),
}
"""Who plays, with which model."""

_LAST_SECONDS: Final = 58.0


def story(run: str) -> list[Beat]:
    """Return the minute, in order. ``run`` is in its ids, so that no two of them are one call."""
    beats = [beat for name, agent in AGENTS.items() for beat in _played(run, name, agent)]
    return sorted(beats, key=lambda beat: beat.at_seconds)


def _played(run: str, name: str, agent: _Agent) -> Iterator[Beat]:
    chance = random.Random(f"{run} {name}")  # noqa: S311 (no secret)
    session = f"{name}-{run}"
    between = (_LAST_SECONDS - agent.begins_seconds) / len(agent.steps)
    prompt_tokens = chance.randrange(900, 1_600)
    for number, (tool, result, arguments, how) in enumerate(agent.steps):
        at = agent.begins_seconds + number * between
        prompt_tokens += chance.randrange(150, 900)  # the conversation grows
        answer = _answer(chance, prompt_tokens, agent)
        said = f"{agent.model}: {answer['total_tokens']:,} tokens"
        yield Beat(at, name, said, answer | _whose(name, session))
        call = {
            "type": "tool_call",
            "tool_name": tool,
            "tool_call_id": f"call_demo_{run}_{chance.getrandbits(64):016x}",
            "latency_ms": chance.randrange(20, 1_800),
            "status": _ERROR if how == _ERROR else _OK,
            "data": {"error" if how == _ERROR else "result": result},
            **_whose(name, session),
        }
        at += min(between / 2, 1.5)
        told = next(iter(arguments.values()))
        if how == _DECIDED:
            params = arguments | {"generated": True}
            yield Beat(at, name, f"{tool}: {told}", call | {"direction": "response"}, params)
        else:
            asked = {"action": "allow", "request": {"input": arguments | {"run": run}}}
            line = f"{tool}: {told} → {result}"
            yield Beat(at, name, line, call | asked)


def _answer(chance: random.Random, prompt_tokens: int, agent: _Agent) -> dict[str, Any]:
    """Return a model's call. It does not say what it cost: Tocsin knows."""
    completion_tokens = chance.randrange(60, 700)
    return {
        "type": "completion",
        "tool_name": "chat",
        "model": agent.model,
        "provider": agent.provider,
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "latency_ms": chance.randrange(400, 4_000),
        "status": _OK,
        "action": "allow",
    }


def _whose(name: str, session: str) -> dict[str, Any]:
    return {"agent_id": name, "session_id": session, "metadata": {"generated": True, "via": "demo"}}
