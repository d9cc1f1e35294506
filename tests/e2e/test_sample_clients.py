"""The sample clients of the four products' documents, as they are printed, on the running product.

``samples/`` holds them, without their comments. Hosts and keys are replaced, and what Rampart's
read from ``~/.rampart/token`` is there.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support.orgs import NewOrg
from support.product import Product
from support.programs import Program, go_binary, node_command
from support.streams import decode

pytestmark = pytest.mark.xdist_group("product")

HERE = Path(__file__).parent / "samples"
READER = Path(__file__).parents[1] / "support" / "eventsource_reader.mjs"
HOSTS = (
    "https://your-igris.fly.dev",
    "http://localhost:4001",
    "http://127.0.0.1:9090",
    "http://localhost:9090",
    "https://your-app.com",
)
KEYS = ("ig_abc123...", "your-bearer-token")
ROUTES = {  # and how each names a tool call
    "/api/v1/events": "tool_call",
    "/v1/events/stream": "message",
    "/api/v1/events/stream": "agent_event",
    "/api/kavach/events/stream": "audit",
}
CONNECTED = '{"type":"connected"}'
CALL = {"type": "tool_call", "toolName": "exec", "action": "allow"}
DENIED = {"type": "tool_call", "toolName": "rm", "action": "log", "decision": {"action": "deny"}}


@dataclass
class Reader:
    """Somebody who follows the documents, with a terminal and an org."""

    org: NewOrg
    home: Path
    started: list[Program] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder("home/.rampart").joinpath("token").write_text(f"{self.org.key}\n")

    def folder(self, name: str) -> Path:
        (made := self.home / name).mkdir(parents=True)
        return made

    def sample(self, name: str) -> str:
        text = (HERE / name).read_text()
        for host in HOSTS:
            text = text.replace(host, self.org.product.url)
        for key in KEYS:
            text = text.replace(key, self.org.key)
        return text

    def start(self, *command: str | Path) -> Program:
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home / "home"),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "GOVRIX_API_KEY": self.org.key,
            "TOKEN": self.org.key,
        }
        folder = self.folder(f"program-{len(self.started)}")
        self.started.append(Program.start(command, env, folder))
        return self.started[-1]

    def shell(self, name: str) -> Program:
        return self.start("bash", "-c", self.sample(name))

    def python(self, text: str) -> Program:
        return self.start(sys.executable, "-c", text)

    def node(self, name: str, text: str) -> Program:
        program = self.folder(name) / "main.mjs"
        program.write_text(text)
        return self.start(*node_command(program))

    def go(self, name: str) -> Program:
        source = self.folder(name) / "main.go"
        source.write_text(self.sample(name))
        return self.start(go_binary(source))


@pytest.fixture
def reader(product: Product, tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(NewOrg(product), tmp_path)
    yield reader
    for program in reader.started:
        program.stop()


def said(program: Program) -> list[dict[str, Any]]:
    """What a program has printed as lines of JSON."""
    return [json.loads(line) for line in program.lines]


# Igris


def test_igris_curl_sees_what_igris_curl_sends(reader: Reader) -> None:
    watching = reader.shell("igris_curl.sh")
    watching.until_line("id: 0")
    for sample, count in (("igris_ingest_one.sh", 1), ("igris_ingest_batch.sh", 2)):
        sending = reader.shell(sample)
        assert sending.wait() == 0
        answer = json.loads(sending.output)
        assert answer["data"] == {"ingested": count, "rejected": 0}
        assert answer["meta"]["remainingQuota"] > 0
        watching.until_line(f"id: {1 if count == 1 else 3}")
    watching.until(lambda: watching.output.count("data: ") == 3, "three events")
    messages = decode(watching.output.encode())
    assert [(message.event, message.fields["toolName"]) for message in messages] == [
        ("tool_call", "generate_report"),
        ("completion", "claude-sonnet-4-20250514"),
        ("tool_call", "search_database"),
    ]
    first = messages[0].fields
    assert first["metadata"]["model"] == "gpt-4o"
    assert (first["action"], first["latencyMs"]) == ("allow", 340)


def test_igris_curl_sees_the_documented_types(reader: Reader) -> None:
    watching = reader.shell("igris_curl.sh")
    watching.until_line("id: 0")
    anomaly = {"type": "anomaly", "anomaly_type": "rate_spike", "current_rate": 150}
    reader.org.emit(anomaly, {"type": "session_update", "session_id": "s", "status": "suspended"})
    watching.until(lambda: watching.output.count("data: ") == 2, "two events")
    spike, session = decode(watching.output.encode())
    assert (spike.event, spike.fields["anomalyType"]) == ("anomaly", "rate_spike")
    assert (session.event, session.fields["status"]) == ("session_update", "suspended")


# Govrix Scout


def test_govrix_curl(reader: Reader) -> None:
    watching = reader.shell("govrix_curl.sh")
    watching.until_line("id: 0")
    reader.org.post({"type": "completion", "toolName": "m", "model": "gpt-4o", "costUsd": 0.1})
    watching.until(lambda: "data: " in watching.output, "an event")
    (message,) = decode(watching.output.encode())
    assert message.event == "agent_event"
    assert (message.fields["model"], message.fields["cost_usd"]) == ("gpt-4o", 0.1)
    assert message.fields["lineage_hash"].startswith("sha256:")
    assert message.fields.keys() >= {"session_id", "timestamp", "compliance_tag", "pii_detected"}


# Rampart


@pytest.mark.parametrize("sample", ["rampart_curl.sh", "rampart_curl_token.sh"])
def test_rampart_curl(reader: Reader, sample: str) -> None:
    watching = reader.shell(sample)
    watching.until_line(f"data: {CONNECTED}")
    reader.org.post(CALL)
    watching.until(lambda: '"type":"audit"' in watching.output, "an audit event")
    reader.org.emit({"type": "approval.created"})
    watching.until_line('data: {"type":"approvals"}')
    _, audit, _ = decode(watching.output.encode())
    event = audit.fields["event"]
    assert (event["tool"], event["decision"]["action"]) == ("exec", "allow")
    assert len(event["prev_hash"]) == len(event["hash"]) == 64


def test_rampart_approval_notifications(reader: Reader) -> None:
    told = reader.shell("rampart_approvals.sh")
    reader.org.post(CALL)

    def created() -> bool:
        reader.org.emit({"type": "approval.created"})
        return bool(told.output)

    told.until(created, "a notification")
    assert set(told.lines) == {"Approval queue changed — check dashboard"}


def test_rampart_python(reader: Reader) -> None:
    client = reader.python(reader.sample("rampart.py"))
    client.until_line("Connected to Rampart")
    reader.org.post(CALL, DENIED)
    client.until_line("rm: deny")
    reader.org.emit({"type": "approval.created"})
    client.until_line("Approval queue changed")
    assert client.lines == [
        "Connected to Rampart",
        "exec: allow",
        "rm: deny",
        "Approval queue changed",
    ]


def test_rampart_python_forwards_what_is_denied(reader: Reader) -> None:
    """The sample goes on where the other has its response, and names a function of its user's."""
    connected, _, _ = reader.sample("rampart.py").partition("for line in")
    forward = "def send_to_monitoring(event):\n    print('forwarded', event['tool'])\n"
    client = reader.python(connected + forward + reader.sample("rampart_monitoring.py"))
    reader.org.until_watched(lambda: bool(client.lines), **DENIED)
    before = len(client.lines)
    reader.org.post(CALL, CALL | {"action": "deny", "toolName": "last"})
    client.until_line("forwarded last")
    assert "forwarded exec" not in client.lines
    assert before < len(client.lines)


def test_rampart_go_reads_on_after_an_event_beyond_its_scanner(reader: Reader) -> None:
    """``bufio.Scanner`` drops the rest of a stream after a line of 64 KiB or more."""
    client = reader.go("rampart.go")
    client.until_line("Event: connected")
    sizes = (1_000, 59_000, 64_000, 66_000, 250_000)
    for part in ("request", "metadata"):
        reader.org.post(*(CALL | {part: {"text": "x" * size}} for size in sizes))
    reader.org.emit({"type": "approval.created"}, {"type": "approval.bulk_resolved"})
    client.until_line("Event: audit_batch")
    audits = ["Event: audit"] * (2 * len(sizes))
    assert client.lines == ["Event: connected", *audits, "Event: approvals", "Event: audit_batch"]


# KavachOS


def test_kavach_node_as_printed_is_told_that_it_has_no_token(reader: Reader) -> None:
    """``eventsource`` takes no ``headers`` any more: not since it exports ``EventSource`` by name.

    So the printed program sends no token, gets the documented error event, and the end.
    """
    client = reader.node("printed", reader.sample("kavach_node.mjs"))
    client.until(lambda: client.errors.count("Connection lost") >= 2, "an error and the end")
    assert client.output == ""


def test_kavach_node_ported(reader: Reader) -> None:
    """Ported in two places.

    The token comes by a ``fetch`` of one's own, as today's ``eventsource`` takes it. And the
    listener is for a named type, as in the document's browser sample: ``onmessage`` gets messages
    without a name alone, and KavachOS' have one.
    """
    client = reader.node("ported", reader.sample("kavach_node_today.mjs"))
    created = {"type": "agent.created", "toolName": "kavach", "data": {"agentId": "agt_1"}}
    reader.org.until_watched(lambda: bool(client.lines), **created)
    assert client.lines[0] == "Event: agent.created {"
    client.until_line("  agentId: 'agt_1',")
    assert client.errors == ""


# Cut connections


def test_clients_that_only_read_end_when_they_are_cut(reader: Reader) -> None:
    """Whoever starts them again starts from then on, as their documents say."""
    curl, python = reader.shell("rampart_curl.sh"), reader.python(reader.sample("rampart.py"))
    go, node = reader.go("rampart.go"), eventsource(reader)
    curl.until_line(f"data: {CONNECTED}")
    python.until_line("Connected to Rampart")
    go.until_line("Event: connected")
    until_open(node, 1)
    reader.org.post(CALL)
    python.until_line("exec: allow")
    reader.org.product.kill("stream")
    assert curl.wait() == 18  # curl's word for a response that was not ended
    assert python.wait() == 1
    assert "ChunkedEncodingError" in python.errors
    assert go.wait() == 0
    assert go.lines == ["Event: connected", "Event: audit"]


def eventsource(reader: Reader) -> Program:
    """Start a reader of all four dialects."""
    program = reader.folder("reader") / "main.mjs"
    program.write_text(READER.read_text())
    urls = [reader.org.product.url + route for route in ROUTES]
    return reader.start(*node_command(program), reader.org.key, *urls)


def until_open(node: Program, times: int) -> None:
    def is_open() -> bool:
        opened = [each for each in said(node) if each.get("connection") == "open"]
        return len(opened) == times * len(ROUTES)

    node.until(is_open, "all four are connected")


HOSTILE = (
    "a\r\nb\rc\nd\n\nid: 1\n\nevent: forged\ndata: forged\n\n",
    "nul \0, escape \x1b, delete \x7f",
    "\ufeffbom, emoji \U0001f510\u200d\U0001f9ea, \u2028\u2029\u0085 \ufffe",
    "",
    " : data",
    "x" * 60_000,
    "é" * 100_000,
)


def test_eventsource_reads_every_dialect_across_a_cut(reader: Reader) -> None:
    """Each stream brings every event once and in order, unchanged, though the service is killed."""
    org, node = reader.org, eventsource(reader)
    until_open(node, 1)
    events = [CALL | {"metadata": {"text": text, text[:100]: [1]}} for text in HOSTILE]
    org.post(*events)
    wanted = len(events)

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
        check([each for each in messages if each["data"] != CONNECTED], name, events * 2)


def check(messages: list[dict[str, Any]], name: str, events: list[dict[str, Any]]) -> None:
    """Compare what a stream brought with what was posted."""
    assert [each["id"] for each in messages] == [str(1 + place) for place in range(len(events))]
    assert {each["event"] for each in messages} == {name}
    for message, event in zip(messages, events, strict=True):
        fields = json.loads(message["data"])
        fields = fields.get("event", fields)
        if name == "message" and "href" in fields["metadata"]:  # Rampart's lines are short
            assert len(message["data"]) < 60_000 < fields["metadata"]["size_bytes"]
        else:
            assert fields["metadata"] == event["metadata"]
