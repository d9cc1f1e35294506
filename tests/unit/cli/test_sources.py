"""Events out of files."""

import io
import json
from typing import Any

import pytest

from tocsin.cli._csv import FIELDS
from tocsin.cli._failure import Failure
from tocsin.cli._sources import Format, read_events
from tocsin.client._outbox import Unsendable
from tocsin.domain.limits import MAX_BODY_BYTES
from tocsin.wire.event import IncomingEvent

ONE = {"type": "tool_call", "toolName": "a"}
TWO = {"type": "custom", "tool_name": "b"}
A, B = b'{"type":"tool_call","toolName":"a"}', b'{"type":"custom","tool_name":"b"}'


def read(content: bytes, name: str = "-", form: Format = Format.AUTO) -> list[dict[str, Any]]:
    return [event_of(item) for item in read_events(io.BytesIO(content), form, name)]


def event_of(item: bytes | Unsendable) -> dict[str, Any]:
    if isinstance(item, Unsendable):
        raise item.error
    event: dict[str, Any] = json.loads(item)
    return event


@pytest.mark.parametrize(
    "content",
    [
        A + b"\n" + B + b"\n",
        A + b"\r\n\r\n" + B,
        b"\n" + A + b"\n" + B,
        b"[" + A + b"," + B + b"]",
        b"[\n" + A + b",\n" + B + b"\n]\n",
        b'{"events": [' + A + b"," + B + b"]}",
        b'{\n  "events": [\n' + A + b",\n" + B + b"]\n}",
        b"[" + A + b"]\n[" + B + b"]",
    ],
)
@pytest.mark.parametrize("name", ["standard input", "events.txt"])
def test_json_is_read_however_it_is_laid_out(content: bytes, name: str) -> None:
    assert read(content, name) == [ONE, TWO]


def test_a_single_event_over_several_lines() -> None:
    assert read(b'{\n "type": "tool_call",\n "toolName": "a"\n}') == [ONE]


@pytest.mark.parametrize("name", ["-", "a.json", "a.jsonl", "a.csv"])
def test_nothing_is_no_events(name: str) -> None:
    assert read(b"", name) == []
    assert read(b"\n \n", name if name != "a.csv" else "-") == []


def test_an_event_may_have_a_field_events() -> None:
    assert read(b'{"type": "custom", "events": []}') == [{"type": "custom", "events": []}]


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (A + b"\nnonsense\n", "a.jsonl", "a.jsonl, line 2: not JSON"),
        (A + b"\n\n3\n", "-", "-, line 3: an event is a JSON object"),
        (b"[1]", "a.json", "a.json, item 0: an event is a JSON object"),
        (b"{", "a.json", "a.json: not JSON"),
        (b"type,toolName\n", "-", "if it is CSV, say --format csv"),
        (b"x" * (MAX_BODY_BYTES + 1), "a.jsonl", "line 1: longer than"),
        (b"tool\nx\n", "a.csv", "the header has no column `type`: tool"),
        (b"type,x\na,b,c\n", "a.csv", "line 2: more values than"),
        (b"type,latency_ms\na,fast\n", "a.csv", "line 2, column latency_ms: not JSON"),
        (b"type,metadata,x\na,1,2\n", "a.csv", "line 2, column metadata: not a JSON object"),
        (b"type\n\xff\n", "a.csv", "not CSV in UTF-8"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(content: bytes, name: str, words: str) -> None:
    with pytest.raises(Failure) as raised:
        read(content, name)
    assert words in str(raised.value)


def test_csv_columns_are_fields_and_the_rest_is_metadata() -> None:
    content = (
        "\ufefftype,toolName,agent_id,latencyMs,pii_detected,metadata.rows,Region,metadata\r\n"
        'tool_call,"search, all",007,12.5,true,42,eu,"{""rows"": 7}"\r\n'
        "completion,gpt,,,,,,\r\n"
    ).encode()
    assert read(content, "history.CSV") == [
        {
            "type": "tool_call",
            "tool_name": "search, all",
            "agent_id": "007",
            "latency_ms": 12.5,
            "pii_detected": True,
            "metadata": {"rows": 7, "Region": "eu"},
        },
        {"type": "completion", "tool_name": "gpt"},
    ]


def test_lines_are_read_as_they_are_needed() -> None:
    source = io.BytesIO(A + b"\n" + B + b"\nnonsense")
    events = read_events(source, Format.JSONL, "-")
    assert event_of(next(events)) == ONE
    assert source.tell() == len(A) + 1


def test_every_field_of_an_event_can_be_a_column() -> None:
    assert set(IncomingEvent.__annotations__) | {"id"} == FIELDS
