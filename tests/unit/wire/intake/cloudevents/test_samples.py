"""CloudEvents of each mode and content type become events, and nothing of them is lost."""

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from tocsin.domain.canonical import canonical
from tocsin.domain.errors import Invalid, Malformed, Refused, TooLarge, UnsupportedMedia
from tocsin.domain.limits import MAX_EVENTS_PER_BATCH
from tocsin.wire.intake.cloudevents.formats import BATCHED, STRUCTURED, format_of
from tocsin.wire.intake.identified import Identified, Identity

EVENTS = Path(__file__).parents[5] / "events"
REQUIRED = {"specversion": "1.0", "id": "1", "source": "/s", "type": "com.example.thing"}
HEADERS = [(f"ce-{name}", value) for name, value in REQUIRED.items()]


def structured(
    body: object, content_type: str = STRUCTURED, *, partial: bool = False
) -> Identified:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = format_of(content_type, ()).read(raw, partial=partial)
    assert isinstance(found, Identified)
    assert len(found.identities) == len(found.events)
    return found


def event(**attributes: Any) -> dict[str, Any]:
    [one] = structured(REQUIRED | attributes).events
    canonical(one, plain=False)
    return one


def binary(body: bytes, content_type: str | None, *more: tuple[str, str]) -> dict[str, Any]:
    [one] = format_of(content_type, [*HEADERS, *more]).read(body, partial=False).events
    canonical(one, plain=False)
    return one


def kept(one: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = one["metadata"]["cloudevents"]
    return found


def sample(name: str, content_type: str = STRUCTURED) -> list[dict[str, Any]]:
    return structured((EVENTS / f"cloudevents-{name}.json").read_bytes(), content_type).events


def test_the_specification_s_example() -> None:
    assert sample("structured") == [
        {
            "type": "com.github.pull_request.opened",
            "source_id": "A234-1234-1234",
            "timestamp": "2018-04-05T17:31:00.000Z",
            "data": '<much wow="xml"/>',
            "metadata": {
                "via": "cloudevents",
                "cloudevents": {
                    "source": "https://github.com/cloudevents/spec/pull",
                    "subject": "123",
                    "comexampleextension1": "value",
                    "comexampleothervalue": 5,
                    "datacontenttype": "text/xml",
                },
            },
        }
    ]


def test_a_batch_of_three_kinds() -> None:
    call, plan, picture = sample("batch", BATCHED)
    assert call == {
        "type": "tool_call",
        "source_id": "7c5e2b52-0a0c-4d3b-9f1c-2f6d5c0a9b11",
        "timestamp": "2026-11-28T09:30:00.123Z",
        "agent_id": "reviewer",
        "session_id": "review-17",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "span_id": "b7ad6b7169203331",
        "tool_name": "search",
        "tool_call_id": "toolu_01A09q90qw90lq917835lq9",
        "request": {"input": {"query": "open pull requests"}},
        "latency_ms": 84,
        "metadata": {
            "via": "cloudevents",
            "cloudevents": {
                "source": "/agents/reviewer",
                "subject": "reviewer",
                "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                "data": {"rank": 3},
            },
        },
    }
    assert (plan["type"], plan["agent_id"]) == ("com.example.agent.plan.v2", "planner")
    assert plan["timestamp"] == "2026-11-28T08:30:00.123Z"
    assert plan["data"] == {"steps": ["read", "write"]}
    assert kept(plan) == {
        "source": "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
        "subject": "plan/5",
        "time": "2026-11-28T09:30:00.123456+01:00",
        "dataschema": "https://schemas.example.com/plan",
        "partitionkey": "5",
        "sequence": "0000000000000042",
    }
    assert picture["type"] == "cloudevents.event"
    assert "data" not in picture
    assert kept(picture) == {
        "source": "/mycontext/4",
        "type": "PictureTaken",
        "sampledrate": 10,
        "replayed": False,
        "datacontenttype": "image/png",
        "data_base64": "iVBORw0KGgo=",
    }


def test_an_event_of_another_tocsin_is_what_it_was_there() -> None:
    [one] = sample("tocsin")
    sent = json.loads((EVENTS / "cloudevents-tocsin.json").read_bytes())["data"]
    same = ("type", "agent_id", "session_id", "model", "cost_usd", "prompt_tokens", "timestamp")
    assert {name: one[name] for name in same} == {name: sent[name] for name in same}
    assert one["source_id"] == sent["id"]
    assert one["metadata"]["team"] == "docs"
    assert kept(one) == {
        "source": "/tocsin/orgs/beta",
        "sequence": "0000000000000007",
        "metadata": {"via": "proxy"},
        "data": {
            name: sent[name]
            for name in (
                *("hash", "lineage_hash", "prev_hash", "received_at", "seq", "source"),
                "source_id",
            )
        },
    }


@pytest.mark.parametrize("type", ["anomaly", "approval.requested", "tocsin.note"])
def test_what_only_tocsin_makes_comes_from_another_as_what_it_is_not(type: str) -> None:
    data = {
        "id": "1",
        "type": type,
        "received_at": "2026-03-20T09:46:40.512Z",
        "timestamp": "2026-03-20T09:46:40.000Z",
        "session_id": "s1",
        "agent_id": "a",
    }
    one = event(type=type, data=data)
    assert (one["type"], kept(one)["type"]) == ("cloudevents.event", type)
    assert (one["agent_id"], one["session_id"]) == ("a", "s1")


@pytest.mark.parametrize(
    "type", ["com.example.thing", "agent.created", "custom.thing", "Order", "a b", "x" * 200, "é.é"]
)
def test_a_vendor_s_type_stays_where_it_can(type: str) -> None:
    one = event(type=type, data={"id": "7", "type": "other", "model": 3})
    assert (one["type"] == type) != (kept(one).get("type") == type)
    assert one["data"] == {"id": "7", "type": "other", "model": 3}


def test_ids_of_any_length_are_kept() -> None:
    assert event(id="x" * 256)["source_id"] == "x" * 256
    assert kept(event(id="x" * 257))["id"] == "x" * 257


def test_a_subject_is_an_agent_only_of_what_is_ours() -> None:
    assert "agent_id" not in event(subject="/files/a.txt")
    data = {"tool_name": "t"}
    assert event(type="tool_call", subject="reviewer", data=data)["agent_id"] == "reviewer"
    named = event(type="tool_call", subject="x", data=data | {"agentId": "y"})
    assert (named["agent_id"], kept(named)["subject"]) == ("y", "x")
    of_key = structured(REQUIRED | {"type": "tool_call", "subject": "x", "data": data})
    of_key.belong_to("mine", partial=False)
    assert of_key.events[0]["agent_id"] == "mine"
    assert kept(of_key.events[0])["subject"] == "x"


def test_extensions_that_do_not_fit_a_field_stay() -> None:
    one = event(agentid="a", action="created", model=3, status="", toolname="x" * 300, runid="r")
    assert (one["agent_id"], one["run_id"]) == ("a", "r")
    assert kept(one) == {
        "source": "/s",
        "action": "created",
        "model": 3,
        "status": "",
        "toolname": "x" * 300,
    }


@pytest.mark.parametrize(
    ("time", "timestamp"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000Z"),
        ("2026-01-01t00:00:00.5z", "2026-01-01T00:00:00.500Z"),
        ("2026-01-01T00:00:00.123456789Z", "2026-01-01T00:00:00.123Z"),
        ("2026-01-01T00:00:00.1230009Z", "2026-01-01T00:00:00.123Z"),
        ("2026-01-01T02:00:00+02:00", "2026-01-01T00:00:00.000Z"),
        ("2016-12-31T23:59:60Z", None),
    ],
)
def test_times(time: str, timestamp: str | None) -> None:
    one = event(time=time)
    assert one.get("timestamp") == timestamp
    lossless = timestamp is not None and len(time) < 25
    assert kept(one).get("time") == (None if lossless else time)


@pytest.mark.parametrize(
    ("content_type", "body", "data"),
    [
        ("application/json", b'{"a": [1, null]}', {"a": [1, None]}),
        ("application/vnd.x+json; charset=utf-8", b'"text"', "text"),
        ("text/plain", "Grüße".encode(), "Grüße"),
        ("text/plain; charset=ISO-8859-1", "Grüße".encode("latin-1"), "Grüße"),
        ("application/xml", b"<a/>", "<a/>"),
        ("application/x-www-form-urlencoded", b"a=1", "a=1"),
        (None, b'{"a": 1}', {"a": 1}),
        (None, b"a: 1", "a: 1"),
        ("text/plain", b"\xff", b"\xff"),
        ("application/octet-stream", b"text", b"text"),
        ("application/gzip", b"\x1f\x8b", b"\x1f\x8b"),
        (None, b"\xff\x00", b"\xff\x00"),
        ("application/json", b"", None),
    ],
)
def test_data_of_any_content_type(content_type: str | None, body: bytes, data: Any) -> None:
    one = binary(body, content_type)
    if isinstance(data, bytes):
        assert b64decode(kept(one)["data_base64"]) == data
        assert "data" not in one
    else:
        assert one.get("data") == data
    plain = content_type in (None, "application/json")
    assert kept(one).get("datacontenttype") == (None if plain else content_type)


def test_bytes_in_json_are_what_their_type_says() -> None:
    assert event(data_base64="eyJhIjogMX0=", datacontenttype="application/json")["data"] == {"a": 1}
    assert event(data_base64="PGEvPg==", datacontenttype="text/xml")["data"] == "<a/>"
    assert kept(event(data_base64="PGEvPg=="))["data_base64"] == "PGEvPg=="
    assert event(data='{"a": 1}', datacontenttype="application/json")["data"] == '{"a": 1}'


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),  # the specification's
        ("%e2%82%ac", "€"),
        ("%41", "A"),
        ('"a \\"b\\" c"', 'a "b" c'),
        ('"50%25"', "50%"),
        ("a%2520b", "a%20b"),
        ("50%", "50%"),
        ("Gr\u00c3\u00bc\u00c3\u009fe", "Grüße"),
    ],
)
def test_header_values(sent: str, value: str) -> None:
    assert kept(binary(b"", None, ("CE-Subject", sent)))["subject"] == value


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        ([("ce-subject", "%C0%A0")], "subject"),  # the specification's
        ([("ce-subject", "%ff")], "subject"),
        ([("ce-subject", "%0A")], "subject"),
        ([("CE-ID", "2")], "id"),
        ([("ce-datacontenttype", "text/plain")], "datacontenttype"),
        ([("ce-a-b", "1")], "a-b"),
        ([("ce-", "1")], ""),
        ([("ce-time", "yesterday")], "time"),
    ],
)
def test_headers_that_make_no_event(headers: list[tuple[str, str]], field: str) -> None:
    with pytest.raises(Malformed) as caught:
        binary(b"", None, *headers)
    [detail] = caught.value.details
    assert detail["field"] in (field, "body")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        *(({name: value}, name) for name in REQUIRED for value in ("", None)),
        ({"specversion": "0.3"}, "specversion"),
        ({"specversion": 1}, "specversion"),
        ({"id": 7}, "id"),
        ({"source": ["/s"]}, "source"),
        ({"subject": True}, "subject"),
        ({"time": "2026-01-01"}, "time"),
        ({"time": 5}, "time"),
        ({"datacontenttype": {}}, "datacontenttype"),
        ({"my_ext": "x"}, "my_ext"),
        ({"myExt": "x"}, "myExt"),
        ({"ext": {"a": 1}}, "ext"),
        ({"ext": [1]}, "ext"),
        ({"ext": 1.5}, "ext"),
        ({"ext": 2**31}, "ext"),
        ({"ext": "a\u0000b"}, "ext"),
        ({"ext": "\ud800"}, "ext"),
        ({"ext": 2**60}, "ext"),
        ({"data": 1, "data_base64": "AA=="}, "data_base64"),
        ({"data_base64": "?"}, "data_base64"),
        ({"data_base64": 1}, "data_base64"),
        ({"data_base64": "ew==", "datacontenttype": "application/json"}, "data"),
        ({"data": {"a": 2**60}}, "data.a"),
        ({"data": ["\ud800"]}, "data[0]"),
        ({"type": "tool_call"}, "toolName"),
        ({"type": "tool_call", "data": {"tool_name": "t", "latency_ms": "x"}}, "latency_ms"),
        ({"type": "tool_call", "data": {"tool_name": "t", "metadata": 1}}, "metadata"),
    ],
)
def test_what_is_no_event_is_refused_by_its_name(changed: dict[str, Any], field: str) -> None:
    bad = REQUIRED | changed
    with pytest.raises(Refused) as caught:
        structured(bad)
    assert [each["field"] for each in caught.value.details] == [field]
    found = structured([REQUIRED, bad, REQUIRED | {"id": "2"}], BATCHED, partial=True)
    assert found.identities == [Identity("/s", "1"), Identity("/s", "2")]
    [rejection] = found.rejected
    assert rejection.index == 1
    assert rejection.details[0]["field"] == f"events[1].{field}"


@pytest.mark.parametrize("body", [b"[]", b"1", b"{}", b"null", b'{"a":1,"a":2}', b"NaN", b"{"])
def test_a_body_that_is_no_event(body: bytes) -> None:
    with pytest.raises(Malformed):
        structured(body)


@pytest.mark.parametrize("body", [b"{}", b"1", b"[1]", b"[null]", b"[[]]", b"NaN"])
def test_a_body_that_is_no_batch(body: bytes) -> None:
    with pytest.raises(Refused) as caught:
        structured(body, BATCHED)
    assert isinstance(caught.value, Malformed | Invalid)


def test_an_empty_batch_is_one() -> None:
    assert structured(b"[]", BATCHED).events == []


def test_a_batch_beyond_the_limit() -> None:
    with pytest.raises(TooLarge, match="1,001 events"):
        structured([REQUIRED] * (MAX_EVENTS_PER_BATCH + 1), BATCHED)


def test_nesting_is_bounded() -> None:
    deep = json.dumps(REQUIRED).encode()[:-1] + b',"data":' + b"[" * 5_000 + b"]" * 5_000 + b"}"
    with pytest.raises(TooLarge):
        structured(deep)


def test_what_is_no_cloudevent_at_all() -> None:
    with pytest.raises(UnsupportedMedia, match="ce-specversion"):
        format_of("application/json", [("content-type", "x")]).read(b"{}", partial=False)
    assert format_of("application/cloudevents+avro", ()).media_types == frozenset({STRUCTURED})
    assert format_of("Application/CloudEvents+JSON; charset=UTF-8", ()).media_types == frozenset(
        {STRUCTURED}
    )
    assert format_of(f"{BATCHED}; charset=utf-8", ()).media_types == frozenset({BATCHED})


def test_loops_of_the_same_event_keep_what_was_said_before() -> None:
    """It came in, a webhook sent it, it came in again: its origin goes a level down each time."""
    [first] = sample("tocsin")
    sealed = first | {"id": "evt_2", "received_at": "x", "timestamp": "2026-03-20T09:46:40.000Z"}
    second = event(type="completion", id="evt_2", source="/tocsin/orgs/b2", data=sealed)
    assert kept(second)["metadata"] == {"via": "cloudevents", "cloudevents": kept(first)}
