"""What is stored under a person's key: opened with that key as it came, and with no other."""

import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.calls import Call
from tocsin.domain.canonical import canonical, parse
from tocsin.domain.reports import call_key
from tocsin.domain.segment import SealedEvent
from tocsin.domain.subjects import SubjectKey
from tocsin.wire.filters import Facts
from tocsin.wire.protection import (
    Unopened,
    is_protected,
    key_of,
    opened,
    protected,
    tells_of_erasure,
    unopened,
)

KEY = SubjectKey(bytes(range(64)))
EVENT: dict[str, Any] = {
    "id": "evt_1",
    "type": "tool_call",
    "user_id": "u",
    "tool_name": "search",
    "data": {"q": "my illness"},
    "metadata": {"note": "secret", "response_id": "resp_1"},
    "request": {"command": "whoami"},
}

TIMES = dict.fromkeys(("timestamp", "received_at"), "2026-03-20T09:00:00.000Z")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20),
    lambda each: (
        st.lists(each, max_size=4) | st.dictionaries(st.text(max_size=5), each, max_size=4)
    ),
    max_leaves=10,
)


def stored(event: dict[str, Any], id: str = "evt_1") -> dict[str, Any]:
    return parse(canonical(protected(event, id, KEY, plain=False)))


def test_nothing_of_what_it_says_is_left_but_what_calls_are_known_by() -> None:
    entry = canonical(protected(EVENT, "evt_1", KEY, plain=False))
    for said in (b"illness", b"secret", b"whoami"):
        assert said not in entry
    assert parse(entry)["metadata"] == {"response_id": "resp_1"}
    assert is_protected(entry)
    assert key_of(parse(entry)) == ("u", KEY.id)
    assert parse(opened(parse(entry), KEY)) == EVENT


@given(JSON, st.dictionaries(st.text(max_size=8), JSON, max_size=3))
def test_whatever_it_says_comes_back(data: Any, metadata: dict[str, Any]) -> None:
    event = EVENT | {"data": data, "metadata": metadata}
    assert parse(opened(stored(event), KEY)) == event


@given(st.sampled_from([{}, {"tool_call_id": "call_1"}]), st.text() | JSON)
def test_what_is_found_and_counted_is_the_same_with_the_key_and_without(
    more: dict[str, Any], response: Any
) -> None:
    event = EVENT | more | {"metadata": {"response_id": response}}
    shown = parse(opened(stored(event), KEY))
    for read in (stored(event), parse(unopened(stored(event), erased=True))):
        assert Facts.among(read) == Facts.among(shown)
        assert call_key(read) == call_key(shown)
        assert Call.of(TIMES | read) == Call.of(TIMES | shown)


@pytest.mark.parametrize("response", [7, {"id": "x" * 300}, None, ["my illness"]])
def test_what_is_no_response_s_id_is_under_the_key(response: Any) -> None:
    event = EVENT | {"metadata": {"response_id": response}}
    assert "metadata" not in stored(event)
    assert parse(opened(stored(event), KEY)) == event


def test_the_same_event_under_the_same_id_is_the_same_bytes() -> None:
    assert protected(EVENT, "evt_1", KEY, plain=False) == protected(EVENT, "evt_1", KEY, plain=True)
    assert stored(EVENT)["protected"] != stored(EVENT, "evt_2")["protected"]


def test_an_event_that_says_nothing_is_left_as_it_is() -> None:
    event = {"id": "evt_1", "type": "custom", "user_id": "u"}
    assert protected(event, "evt_1", KEY, plain=True) == event


def test_another_key_opens_nothing() -> None:
    with pytest.raises(Unopened):
        opened(stored(EVENT), SubjectKey(os.urandom(64)))


def test_ciphertext_is_its_event_s_alone() -> None:
    with pytest.raises(Unopened):
        opened(stored(EVENT) | {"id": "evt_2"}, KEY)


@pytest.mark.parametrize(
    "held",
    [
        {"key": KEY.id},
        {"key": KEY.id, "text": ""},
        {"key": KEY.id, "text": "!"},
        {"key": KEY.id, "text": "AAAA"},
        {"key": KEY.id, "text": 7},
        {"key": KEY.id, "text": None},
    ],
)
def test_what_is_no_ciphertext_is_not_opened(held: object) -> None:
    with pytest.raises(Unopened):
        opened(EVENT | {"protected": held}, KEY)


def test_every_byte_of_it_counts() -> None:
    event = stored(EVENT)
    text = event["protected"]["text"]
    for at in range(0, len(text) - 4, 7):
        other = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
        with pytest.raises(Unopened):
            opened(event | {"protected": {"key": KEY.id, "text": other}}, KEY)


def test_without_the_key_it_is_said_why_it_is_silent() -> None:
    shown = parse(unopened(stored(EVENT), erased=True))
    assert shown["erased"] is True
    assert "protected" not in shown
    assert shown["tool_name"] == "search"
    assert parse(unopened(stored(EVENT), erased=False))["unreadable"] is True


@pytest.mark.parametrize(
    "event",
    [
        {"protected": "x", "user_id": "u"},
        {"protected": {"key": 7}, "user_id": "u"},
        {"protected": {"key": "k"}},
        {"protected": {"key": "k"}, "user_id": 7},
        {"data": {"protected": {"key": "k", "text": ""}}, "user_id": "u"},
    ],
)
def test_what_is_not_under_a_key_is_known(event: dict[str, Any]) -> None:
    assert key_of(event) is None


def test_an_erasure_is_known_by_its_type_alone() -> None:
    def event(fields: dict[str, Any]) -> SealedEvent:
        return SealedEvent(1, canonical(fields), b"", b"")

    assert tells_of_erasure(event({"type": "tocsin.user_erased"}))
    assert not tells_of_erasure(event({"type": "x.y", "data": {"type": "tocsin.user_erased"}}))
    assert not tells_of_erasure(event({"type": "tool_call"}))


def test_a_key_s_id_is_not_its_hash_alone_and_the_key_is_not_shown() -> None:
    assert len(KEY.id) == 32
    assert KEY.secret.hex()[:8] not in repr(KEY)
    assert str(KEY.secret) not in repr(KEY)
