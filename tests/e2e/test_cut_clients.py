"""Clients that are cut: who comes back by itself misses nothing, in any dialect."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.programs import Program
from support.samples import Visitor

pytestmark = pytest.mark.xdist_group("product")

READER = Path(__file__).parents[1] / "support" / "eventsource_reader.mjs"
ROUTES = {  # and how each names a tool call
    "/api/v1/events": "tool_call",
    "/v1/events/stream": "message",
    "/api/v1/events/stream": "agent_event",
    "/api/kavach/events/stream": "audit",
}
CONNECTED = '{"type":"connected"}'
CALL = {"type": "tool_call", "toolName": "exec", "action": "allow"}
HOSTILE = (
    "a\r\nb\rc\nd\n\nid: 1\n\nevent: forged\ndata: forged\n\n",
    "nul \0, escape \x1b, delete \x7f",
    "\ufeffbom, emoji \U0001f510\u200d\U0001f9ea, \u2028\u2029\u0085 \ufffe",
    "",
    " : data",
    "x" * 60_000,
    "é" * 100_000,
)


def eventsource(visitor: Visitor) -> Program:
    """Start a reader of all four dialects."""
    urls = [visitor.org.product.url + route for route in ROUTES]
    return visitor.node(READER.read_text(), visitor.org.key, *urls)


def said(program: Program) -> list[dict[str, Any]]:
    """What it has printed."""
    return [json.loads(line) for line in program.lines]


def test_clients_that_only_read_end_when_they_are_cut(visitor: Visitor) -> None:
    """Whoever starts them again starts from then on, as their documents say."""
    curl, python = visitor.shell("rampart_curl.sh"), visitor.python(visitor.sample("rampart.py"))
    go = visitor.go("rampart.go")
    curl.until_line(f"data: {CONNECTED}")
    python.until_line("Connected to Rampart")
    go.until_line("Event: connected")
    visitor.org.post(CALL)
    python.until_line("exec: allow")
    go.until_line("Event: audit")
    visitor.org.product.kill("stream")
    assert curl.wait() == 18  # curl's word for a response that was not ended
    assert python.wait() == 1
    assert "ChunkedEncodingError" in python.errors
    assert go.wait() == 0
    assert go.lines == ["Event: connected", "Event: audit"]


def test_eventsource_reads_every_dialect_across_a_cut(visitor: Visitor) -> None:
    """Each stream brings every event once and in order, unchanged, though the service is killed."""
    org = visitor.org
    before = org.begin()
    node = eventsource(visitor)
    node.until(lambda: node.output.count('"open"') == len(ROUTES), "all four are connected")
    events = [CALL | {"metadata": {"text": text, text[:100]: [1]}} for text in HOSTILE]
    org.post(*events)
    wanted = before + len(events)

    def arrived(seq: int) -> Callable[[], bool]:
        return lambda: node.output.count(f'"id":"{seq}"}}') >= len(ROUTES)

    node.until(arrived(wanted), "all events, four times")
    org.product.kill("stream")
    org.post(*events)
    wanted += len(events)
    node.until(arrived(wanted), "all of those after the cut, four times")
    for route, name in ROUTES.items():
        printed = [each for each in said(node) if each["url"] == org.product.url + route]
        connections = [each["connection"] for each in printed if "connection" in each]
        assert connections == ["open", "error", "open"]
        messages = [each for each in printed if "data" in each]
        check([each for each in messages if each["data"] != CONNECTED], name, events * 2, before)


def check(
    messages: list[dict[str, Any]], name: str, events: list[dict[str, Any]], before: int
) -> None:
    """Compare what a stream brought with what was posted after a seq."""
    assert [int(each["id"]) - before for each in messages] == list(range(1, len(events) + 1))
    assert {each["event"] for each in messages} == {name}
    for message, event in zip(messages, events, strict=True):
        fields = json.loads(message["data"])
        fields = fields.get("event", fields)
        if name == "message" and "href" in fields["metadata"]:  # Rampart's lines are short
            assert len(message["data"]) < 60_000 < fields["metadata"]["size_bytes"]
        else:
            assert fields["metadata"] == event["metadata"]
