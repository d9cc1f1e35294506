"""Events out of files."""

import io
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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


def test_what_stands_beside_events_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert read(b'{"session": "s", "events": [' + A + b'], "agent": 1}', "a.json") == [ONE]
    told = "a.json: ignored, for it stands beside the events: agent, session"
    assert capsys.readouterr().err == f"tocsin: {told}\n"


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
        (b'type,metadata,x\na,"{""x"":1}",2\n', "a.csv", "column x: the column metadata has it"),
        (b"type\n\xff\n", "a.csv", "not CSV in UTF-8"),
        (b"type,timestamp\na,2026-03-19 10:00\n", "a.csv", "line 2, column timestamp: 2026-03-19"),
        (b"type,timestamp\na,1712051231230\n", "a.csv", "1712051231230 is no time"),
        (b"type,tool_name,toolName\na,b,c\n", "a.csv", "the same field"),
        (b"type,rows,metadata.rows\na,1,2\n", "a.csv", "the same field"),
        (b'type,tool_name\na,"b\n', "a.csv", "not CSV"),
        (b"type,latency_ms\na,NaN\n", "a.csv", "NaN is not JSON"),
        (b'{"type":"a","n":1e999}', "-", "beyond what a double can hold"),
        (b'{"type":"a","type":"b"}', "-", "stands twice"),
        (b'{"type":"a"', "-", "line 1: not JSON"),
        (b"[" * 100_000, "-", "not JSON"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(content: bytes, name: str, words: str) -> None:
    with pytest.raises(Failure) as raised:
        read(content, name)
    assert words in str(raised.value)


def test_csv_columns_are_fields_and_the_rest_is_metadata() -> None:
    content = (
        "\ufefftype,toolName,agent_id,latencyMs,pii_detected,metadata.rows,Region,metadata\r\n"
        'tool_call,"search, all",007,12.5,true,42,eu,"{""team"": 7}"\r\n'
        "completion,gpt,,,,,,\r\n"
    ).encode()
    assert read(content, "history.CSV") == [
        {
            "type": "tool_call",
            "tool_name": "search, all",
            "agent_id": "007",
            "latency_ms": 12.5,
            "pii_detected": True,
            "metadata": {"rows": "42", "Region": "eu", "team": 7},
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


@pytest.mark.parametrize("size", [150_000, 1_000_000])
def test_a_large_cell_is_read(size: int) -> None:
    content = f"type,metadata.text\ncustom,{'x' * size}\n".encode()
    assert read(content, "a.csv") == [{"type": "custom", "metadata": {"text": "x" * size}}]


def kinds(content: bytes, name: str = "-") -> str:
    """Return E for each event and x for each refusal."""
    found = read_events(io.BytesIO(content), Format.AUTO, name)
    return "".join("x" if isinstance(item, Unsendable) else "E" for item in found)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"type":"tool\n' + A + b"\n" + B + b"\n", "xEE"),
        (b'{"type":\n' + A + b"\n" + B + b"\n", "xEE"),
        (b'{"type":\n' + A + b"\n", "xE"),
        (b"[" + A + b",\n" + A + b"\n" + B + b"\n", "xEE"),
        (b"{\n" + A + b"\n" + A + b"\n" + A, "xEEE"),
        (b"nonsense\n" + A, "xE"),
        (A + b"\n" + b"x" * (MAX_BODY_BYTES * 2 + 7) + b"\n" + B, "ExE"),
        (b"{" + b"x" * (MAX_BODY_BYTES * 2 + 7) + b"\n" + B, "xE"),
        (b"[\n" + A + b",\n3\n]\n" + B, "ExE"),
        (b'{"events": [\n' + A + b"\n]}\n" + B + b"\nnonsense", "EEx"),
        (b"[\n" + b",\n".join([A] * 100) + b"\n]\n" + B, "E" * 101),
    ],
    ids=range(11),
)
def test_one_bad_line_costs_itself_alone(content: bytes, expected: str) -> None:
    assert kinds(content) == expected


def test_one_bad_row_costs_itself_alone() -> None:
    rows = b"type,latency_ms\na,1\na,fast\na,1,2\n\xff,1\na,2\n"
    assert kinds(rows, "a.csv") == "ExxxE"


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(max_size=5), _VALUES, max_size=3), st.sampled_from([None, 1]))
def test_an_event_is_sent_as_it_was_written(value: dict[str, Any], indent: int | None) -> None:
    event = {"type": "custom"} | value
    assert read(json.dumps(event, indent=indent).encode()) == [event]
