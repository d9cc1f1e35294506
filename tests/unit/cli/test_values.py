"""What of a peer's JSON is understood, and what of it Tocsin is given."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.cli.mcp.values import MAX_VALUE_BYTES, label, messages, storable
from tocsin.wire.intake import raw


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b'{"id": 1}\r', [{"id": 1}]),
        (b' [{"id": 1}, {"id": 2}, 3, [4]] ', [{"id": 1}, {"id": 2}]),
        (b"", []),
        (b"\xff\xfe", []),
        (b"3", []),
        (b'"text"', []),
        (b"{", []),
        (b"[" * 100_000, []),
    ],
)
def test_messages_of_a_line(line: bytes, found: list[Any]) -> None:
    assert messages(line) == found


def test_what_strict_parsers_refuse_is_read_all_the_same() -> None:
    (message,) = messages(b'{"result": {"x": NaN, "y": "\\ud800"}}')
    assert message["result"]["y"] == "\ud800"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("git", "git"),
        ("", None),
        (7, None),
        (None, None),
        ("a\ud800", "a?"),
        ("é" * 256, "é" * 256),
    ],
)
def test_labels(value: Any, name: str | None) -> None:
    assert label(value) == name


def test_a_long_label_is_marked_as_cut() -> None:
    assert label("x" * 300) == "x" * 255 + "…"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
)


@given(_JSON)
def test_tocsin_takes_whatever_is_storable(value: Any) -> None:
    event = {"type": "tool_call", "toolName": "t", "metadata": {"arguments": storable(value)}}
    (taken,) = raw.parse(json.dumps({"events": [event]}).encode()).events
    assert taken["metadata"]["arguments"] == storable(value)


def test_what_is_i_json_is_stored_as_it_is() -> None:
    value: dict[str, Any] = {"a": [1, 0.5, None, True, "é", {"b": {}}]}
    assert storable(value) == value


@pytest.mark.parametrize("value", [2**53, float("nan"), {"a": ["\ud800"]}, [[[]]] * 2 + [2**60]])
def test_what_is_not_i_json_is_stored_as_its_text(value: Any) -> None:
    assert repr(json.loads(storable(value))) == repr(value)


def test_deep_values_are_stored_as_text() -> None:
    value: Any = "x"
    for _ in range(60):
        value = [value]
    assert storable(value) == "[" * 60 + '"x"' + "]" * 60


def test_a_bottomless_value_is_left_out() -> None:
    value: Any = []
    for _ in range(200_000):
        value = [value]
    assert storable(value) == {"omitted": "nested too deeply"}


def test_large_values_are_left_out_with_their_size() -> None:
    assert storable("x" * MAX_VALUE_BYTES) == {"omitted": "too large", "sizeBytes": 100_002}
    assert storable("x" * (MAX_VALUE_BYTES - 2)) == "x" * (MAX_VALUE_BYTES - 2)
