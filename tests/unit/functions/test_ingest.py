"""Whatever comes in a request, the ingest handler answers it: no body ends in a 5xx."""

import gzip
import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.ingestion import EVENT, World
from functions.ingest import handler as deployed
from support.context import Context

TEMPLATE = json.loads((Path(__file__).parents[3] / "events/apigateway-ingest.json").read_text())


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(limit=10**9)
    monkeypatch.setattr(deployed, "service", lambda: world.ingest)
    return world


def post(
    world: World, body: bytes | str, query: dict[str, str] | None = None, **headers: str
) -> tuple[int, dict[str, Any]]:
    sent = {"authorization": f"Bearer {world.token}", "content-type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    event = TEMPLATE | {
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": query,
        "multiValueQueryStringParameters": {n: [v] for n, v in query.items()} if query else None,
        "isBase64Encoded": isinstance(body, bytes),
        "body": b64encode(body).decode() if isinstance(body, bytes) else body,
    }
    answer = deployed.handler(event, Context("ingest"))
    json.dumps(answer).encode()
    return answer["statusCode"], json.loads(answer["body"])


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()  # NaN and the infinities, too
    | st.text(st.characters(exclude_categories=()))  # lone surrogates, too
    | st.sampled_from(["tool_call", "tocsin.\ud800", "anomaly", "a.b", "2026-03-19", 1e16, 1e300])
)
names = st.sampled_from(
    ["type", "toolName", "tool_name", "events", "decision", "metadata", "id", "timestamp", "data"]
) | st.text(st.characters(exclude_categories=()))
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=10
)
events = st.fixed_dictionaries({"type": scalars | values}, optional={"toolName": values}).flatmap(
    lambda event: st.dictionaries(names, values, max_size=4).map(lambda more: event | more)
)
bodies = (values | events | st.fixed_dictionaries({"events": st.lists(events)})).map(
    lambda value: json.dumps(value).encode()
)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    body=bodies | st.binary() | bodies.map(gzip.compress) | st.text(),
    partial=st.sampled_from(["true", "True", "", "no"]),
    headers=st.fixed_dictionaries(
        {},
        optional={
            "content_encoding": st.sampled_from(["gzip", "identity", "", "é"]),
            "content_type": st.sampled_from(["application/json", "application/gzip", "\ud800"]),
            "idempotency_key": st.text(max_size=3),
        },
    ),
)
def test_no_request_ends_in_a_5xx(
    world: World, body: bytes | str, partial: str, headers: dict[str, str]
) -> None:
    before = len(world.stored)
    status, answer = post(world, body, {"partial": partial}, **headers)
    assert status < 500 and (status == 200 or answer["error"])
    assert len(world.stored) == before or status == 200


@pytest.mark.parametrize(
    "body",
    [
        '{"type":"tool_call","toolName":"t","\\ud800":1}',
        '{"type":{}}',
        '{"type":"tocsin.\\ud800"}',
        '{"type":"a.b","decision":{"\\ud800":1}}',
        '{"type":"a.b","x":"\\ud83d\\ude00","data":' + "[" * 5_000 + "]" * 5_000 + "}",
        "[" * 100_000 + "]" * 100_000,
        "\ud800",
    ],
    ids=lambda body: ascii(body[:40]),
)
def test_a_request_that_can_not_be_answered_stores_nothing(world: World, body: str) -> None:
    for query in (None, {"partial": "true"}):
        status, _ = post(world, body, query)
        assert status in (200, 400, 403, 413) and world.stored == []


def test_partial_is_read_in_any_case(world: World) -> None:
    body = json.dumps({"events": [EVENT, {}]})
    assert post(world, body, {"partial": "True"})[1]["data"]["rejected"] == 1
    assert post(world, body, {"partial": "False"})[0] == 400
    status, answer = post(world, body, {"partial": "maybe"})
    assert status == 400 and "partial: send true or false" in answer["error"]


def test_a_parameter_that_is_not_known_or_not_understood_is_refused(world: World) -> None:
    body = json.dumps(EVENT)
    for query, says in [
        ({"partail": "true"}, "'partail' is not known: there are backfill, partial, wait"),
        ({"wait": "true"}, "wait: send sealed"),
        ({"partial": "yes"}, "partial: send true or false"),
    ]:
        status, answer = post(world, body, query)
        assert (status, says in answer["error"]) == (400, True), answer
    assert not world.stored
    assert post(world, body, {"partial": "", "wait": ""})[0] == 200


def test_who_waits_is_told_where_events_are(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.services.intake.sealed.WAIT_SEALED_SECONDS", 0.05)
    status, answer = post(world, json.dumps(EVENT), {"wait": "sealed"})
    assert (status, answer["data"]["sealed"]) == (200, False)
    assert answer["data"]["events"] == [{"id": world.stored[0]["id"], "seq": None, "hash": None}]
