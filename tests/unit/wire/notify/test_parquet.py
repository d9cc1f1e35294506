"""Parquet, as DuckDB reads it: the same records as JSON lines have, each in the one schema."""

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.any_event import ANY_EVENT
from support.notified import (
    HOSTILE,
    NOW_MS,
    ONE_OF_EACH,
    called,
    endpoint,
    event_id,
    found,
    sealed,
    sent,
)
from support.parquets import asked, rows
from tocsin.domain import chain
from tocsin.domain.endpoints import Format
from tocsin.domain.segment import SealedEvent
from tocsin.wire.notify.parquet import COLUMNS, Column

ENDPOINT = endpoint(Format.PARQUET)
PAGE = (Path(__file__).parents[4] / "docs" / "webhooks.md").read_text()
SECTION = PAGE.partition("\n### parquet\n")[2].partition("\n## ")[0]


def written(*events: SealedEvent) -> bytes:
    return sent(ENDPOINT, *events).body


def records(*events: SealedEvent) -> list[dict[str, Any]]:
    """Return what the format ``s3`` has of events, with text where there may be any JSON."""
    lines = gzip.decompress(sent(endpoint(Format.S3), *events).body).split(b"\n")[:-1]
    found = [json.loads(each) for each in lines]
    for record in found:
        for part in (record.get("api", {}).get("request", {}), *record.get("evidences", ())):
            if "data" in part:
                part["data"] = Json(part["data"])
    return found


class Json:
    """Equal to any text of a JSON value."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __eq__(self, text: object) -> bool:
        return isinstance(text, str) and json.loads(text) == self._value

    def __hash__(self) -> int:
        return 0


def leaves(value: Any, at: str = "") -> Iterator[str]:
    """Yield the places of all that is no object, ``a.b``."""
    match value:
        case dict():
            for name, each in value.items():
                yield from leaves(each, f"{at}.{name}".lstrip("."))
        case list():
            for each in value:
                yield from leaves(each, at)
        case _:
            yield at


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda each: each.parse()["type"])
def test_a_row_is_the_record_and_all_of_it(event: SealedEvent) -> None:
    assert rows(written(event)) == records(event)


@settings(max_examples=40, deadline=None)
@given(st.lists(ANY_EVENT, min_size=1, max_size=12))
def test_rows_are_the_records_whatever_is_in_the_events(events: list[SealedEvent]) -> None:
    assert rows(written(*events)) == records(*events)


def test_there_is_no_column_that_nothing_has() -> None:
    had = {each for record in records(*ONE_OF_EACH) for each in leaves(record)}
    assert had == set(leaves(dict(COLUMNS)))


def test_every_file_has_the_same_columns() -> None:
    """In the order and of the types that are documented, whichever classes are in it."""
    types = [
        asked(written(*events), "select column_name, column_type from (describe file)")
        for events in ((called(),), (found(),), ONE_OF_EACH)
    ]
    assert types[0] == types[1] == types[2]
    shown = [(name, type.replace('"', "")) for name, type in types[0]]
    assert shown == [(name, in_duckdb(column)) for name, column in COLUMNS.items()]


def in_duckdb(column: Column) -> str:
    match column:
        case dict():
            inner = ", ".join(f"{name} {in_duckdb(each)}" for name, each in column.items())
            return f"STRUCT({inner})"
        case [element]:
            return f"{in_duckdb(element)}[]"
        case "string":
            return "VARCHAR"
        case "int":
            return "INTEGER"
        case _:
            return str(column).upper()


def test_both_classes_are_asked_by_sql() -> None:
    file = written(*ONE_OF_EACH)
    counted = dict(asked(file, "select class_uid, count(*) from file group by class_uid"))
    findings = sum(each["class_uid"] == 2004 for each in records(*ONE_OF_EACH))
    assert counted == {2004: findings, 6003: len(ONE_OF_EACH) - findings}
    assert asked(file, "select distinct status from file where is_alert") == [("New",)]


def chained(count: int) -> list[SealedEvent]:
    """Return events of which each follows from the one before."""
    entries = [called(request={"n": n, "text": "\x00 \u2028 😀"}).entry for n in range(count)]
    hashes = chain.extend(start := chain.genesis("acme"), map(chain.leaf, entries))
    return [
        SealedEvent(seq, entry, before, after)
        for seq, (entry, before, after) in enumerate(
            zip(entries, [start, *hashes], hashes, strict=False), 1
        )
    ]


def test_a_file_proves_itself() -> None:
    events, before = chained(200), chain.genesis("acme")
    for row in rows(written(*events)):
        assert bytes.fromhex(row["unmapped"]["prev_hash"]) == before
        [before] = chain.extend(before, [chain.leaf(row["raw_data"].encode())])
        assert bytes.fromhex(row["unmapped"]["hash"]) == before
    assert before == events[-1].hash


def test_the_documented_query_finds_what_is_not_as_it_was_sealed() -> None:
    [query] = [each for each in re.findall("```sql\n(.*?)```", SECTION, re.S) if "QUALIFY" in each]
    query = query.replace("read_parquet('acme/endpoint=ep_…/*/*.parquet')", "file")
    events = chained(50)
    assert asked(written(*events), query) == []
    assert asked(written(*events, *events[10:20]), query) == []
    assert asked(written(*events[:10], *events[11:]), query) == [(12,)]
    changed = events[10].entry.replace(b'"allow"', b'"log"').replace(b'"deny"', b'"allow"')
    events[10] = replace(events[10], entry=changed)
    assert asked(written(*events), query) == [(11,)]


def test_the_documented_columns_are_those_of_the_files() -> None:
    rows = re.findall(r"^\| (`.*?) \|", SECTION, re.MULTILINE)
    assert re.findall(r"`(\w+)`", "".join(rows)) == list(COLUMNS)


def test_the_documented_table_of_athena_is_that_of_the_files() -> None:
    """Also in the order; whitespace apart."""
    [told] = re.findall(r"CREATE EXTERNAL TABLE tocsin \((.*?)\)\nPARTITIONED BY", SECTION, re.S)
    assert re.sub(r"\s", "", told) == ",".join(f"`{n}`{in_hive(c)}" for n, c in COLUMNS.items())
    assert not {"day"} & COLUMNS.keys(), "the partition's"


def in_hive(column: Column) -> str:
    match column:
        case dict():
            return (
                f"struct<{','.join(f'`{name}`:{in_hive(each)}' for name, each in column.items())}>"
            )
        case [element]:
            return f"array<{in_hive(element)}>"
        case _:
            return str(column)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_comes_through(text: str) -> None:
    name = text[:256]
    run = [
        called(agent_id=name, tool_name=name, user_id=name, request={"command": text, name: text}),
        found(description=text),
        sealed(agent_id="", timestamp=name, received_at=name),
    ]
    assert rows(written(*run)) == records(*run)


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "anomaly", "data": {"evidence": {"seen": 1.7976931348623157e308}}},
        {"type": "anomaly", "data": {"evidence": {"a": 5e-324, "b": -0.0, "c": 2**53 - 1}}},
        {"type": "anomaly", "data": [{"evidence": {}}], "anomaly_type": ["x"], "status": {}},
        {"type": "anomaly", "data": {"evidence": 7, "description": 12.5}, "status": True},
        {"type": "anomaly", "data": {"evidence": {"": {"": [None, "", {}]}}}},
        {"agent_id": 2**53 - 1, "tool_name": 1e300, "status": False, "request": {}},
        {"timestamp": "9999-12-31T23:59:59.999Z", "received_at": "0001-01-01T00:00:00Z"},
        {"timestamp": 10**15, "received_at": [], "trace_id": None, "run_id": {"a": 1}},
        {"request": {"\x00": "\x00", "$ref": "", "a.b": 1, "A": 1, "a": 2}},
        {"request": {"text": "\\ud800 \\u0000 \ufffe\uffff\U0010ffff"}},
    ],
)
def test_what_no_event_should_have_comes_through(fields: dict[str, Any]) -> None:
    assert rows(written(sealed(**fields))) == records(sealed(**fields))


def test_numbers_that_are_not_i_json_come_through() -> None:
    """As other versions, or other products, might have sealed them."""
    entry = called(request={"n": 0}).entry.replace(b'"n":0', b'"n":' + b"12345678" * 5)
    [row] = rows(written(SealedEvent(7, entry, bytes(32), bytes(32))))
    assert row["raw_data"].encode() == entry
    assert json.loads(row["api"]["request"]["data"])["n"] == float("12345678" * 5)


def test_times_are_milliseconds_as_far_as_there_are_any() -> None:
    first, last = "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z"
    file = written(sealed(timestamp=first), sealed(timestamp=last), called())
    assert [time for (time,) in asked(file, "select time from file")] == [
        -62_135_596_800_000,
        253_402_300_799_999,
        NOW_MS,
    ]


def test_an_event_of_350_kb_comes_through() -> None:
    event = called(request={"command": "\x01" * 10_000 + "x" * 290_000})
    assert len(event.entry) > 350_000
    assert rows(written(event)) == records(event)


def test_the_same_run_is_the_same_file() -> None:
    events = chained(3_000)
    first = sent(ENDPOINT, *events, now_ms=1, attempt=1)
    again = sent(ENDPOINT, *events, now_ms=10**13, attempt=9)
    assert (first.url, first.body) == (again.url, again.body)


def test_a_file_is_compressed_and_has_its_rows_in_order() -> None:
    file = written(*chained(3_000))
    entries = sum(len(each.entry) for each in chained(3_000))
    assert len(file) < entries / 3
    seqs = [seq for (seq,) in asked(file, "select metadata.sequence from file")]
    assert seqs == list(range(1, 3_001))


def test_a_panic_of_the_writer_is_an_error_like_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class PanicException(BaseException):
        """As PyO3's, which nobody can import."""

    def panic(*_: object, **__: object) -> None:
        raise PanicException("index out of bounds")

    monkeypatch.setattr("arro3.io.write_parquet", panic)
    with pytest.raises(RuntimeError, match="index out of bounds"):
        written(called())


def test_a_key_says_that_it_is_parquet() -> None:
    request = sent(ENDPOINT, called(), sealed(13, id=event_id(13)))
    assert request.url == (
        "s3://archive/tocsin/acme/endpoint=ep_00000000000000000000000001/day=2026-03-20/"
        "0000000000000012-0000000000000013.parquet"
    )
    assert dict(request.headers) == {"content-type": "application/vnd.apache.parquet"}
