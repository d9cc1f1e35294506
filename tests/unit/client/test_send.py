"""Sending: what arrives, in which requests, how often, and what is raised."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.fake_tocsin import API_KEY, Answer, FakeTocsin, Fault, Ingest, fake_tocsin
from tocsin.client import ApiError, AsyncClient, Backoff, Client, Rejection, SendResult
from tocsin.domain.errors import Invalid, Malformed, TocsinError
from tocsin.services.intake.once import check_key

NO_WAIT = Backoff(first_seconds=0, max_seconds=0)


@pytest.fixture
def tocsin() -> Iterator[FakeTocsin]:
    with fake_tocsin() as server:
        yield server


@pytest.fixture(params=["sync", "async"])
def send(request: pytest.FixtureRequest, tocsin: FakeTocsin) -> Any:
    """``send`` of both clients."""

    def sync_send(events: Any, *, backoff: Backoff = NO_WAIT, **options: Any) -> SendResult:
        with Client(tocsin.url, API_KEY, backoff=backoff) as client:
            return client.send(events, **options)

    def async_send(events: Any, *, backoff: Backoff = NO_WAIT, **options: Any) -> SendResult:
        async def run() -> SendResult:
            async with AsyncClient(tocsin.url, API_KEY, backoff=backoff) as client:
                return await client.send(events, **options)

        return asyncio.run(run())

    return sync_send if request.param == "sync" else async_send


def calls(count: int) -> list[dict[str, Any]]:
    return [{"type": "tool_call", "toolName": f"t{number}"} for number in range(count)]


def test_what_is_sent_is_stored_in_order(send: Any, tocsin: FakeTocsin) -> None:
    assert send(calls(3)) == SendResult(ingested=3, remaining_quota=1_000)
    assert tocsin.tools == ["t0", "t1", "t2"]


def test_nothing_to_send_makes_no_request(send: Any, tocsin: FakeTocsin) -> None:
    assert send([]) == SendResult()
    assert tocsin.ingests == []


def test_a_request_holds_at_most_1000_events(send: Any, tocsin: FakeTocsin) -> None:
    assert send(event for event in calls(2_001)).ingested == 2_001
    assert [len(request.events) for request in tocsin.ingests] == [1_000, 1_000, 1]
    assert tocsin.tools == [f"t{number}" for number in range(2_001)]


def test_a_request_holds_at_most_4_mb(send: Any, tocsin: FakeTocsin) -> None:
    events = [event | {"metadata": {"x": "x" * 200_000}} for event in calls(45)]
    assert send(events).ingested == 45
    sizes = [len(request.body) for request in tocsin.ingests]
    assert len(sizes) == 3
    assert max(sizes) <= 4 * 1024 * 1024


def test_a_request_that_is_too_large_after_all_is_halved(send: Any, tocsin: FakeTocsin) -> None:
    tocsin.max_request_bytes = 200
    assert send(calls(10)).ingested == 10
    assert tocsin.tools == [f"t{number}" for number in range(10)]
    keys = [request.key for request in tocsin.ingests if len(request.body) <= 200]
    assert len(set(keys)) == len(keys)


def test_an_event_that_is_too_large_alone_is_an_error(send: Any, tocsin: FakeTocsin) -> None:
    tocsin.max_request_bytes = 200
    with pytest.raises(ApiError, match=r"413 .*send less at once"):
        send([{"type": "custom", "toolName": "x" * 300}])


@pytest.mark.parametrize(
    "fault",
    [
        "lose the request",
        "lose the answer",
        Answer(429, {"Retry-After": "0"}),
        Answer(500),
        Answer(502),
        Answer(503, {"Retry-After": "0"}),
        Answer(504),
    ],
    ids=str,
)
def test_what_may_pass_is_repeated_and_stored_once(
    send: Any, tocsin: FakeTocsin, fault: Fault
) -> None:
    tocsin.faults += [fault, fault]
    assert send(calls(2)).ingested == 2
    assert tocsin.tools == ["t0", "t1"]
    assert len(tocsin.ingests) == 3
    assert len({(request.key, request.body) for request in tocsin.ingests}) == 1


def test_it_gives_up_after_so_many_attempts(send: Any, tocsin: FakeTocsin) -> None:
    tocsin.faults += [Answer(503, body={"error": "throttled"})] * 9
    with pytest.raises(ApiError, match=r"503 .*throttled"):
        send(calls(1), backoff=Backoff(attempts=3, first_seconds=0, max_seconds=0))
    assert len(tocsin.ingests) == 3


def test_a_long_retry_after_is_not_waited_for(send: Any, tocsin: FakeTocsin) -> None:
    body = {"error": "quota used up", "code": "QUOTA_EXHAUSTED"}
    tocsin.faults += [Answer(429, {"Retry-After": "86400"}, body)]
    with pytest.raises(ApiError, match="quota used up") as raised:
        send(calls(1))
    assert (raised.value.code, raised.value.retry_after_seconds) == ("QUOTA_EXHAUSTED", 86_400)
    assert len(tocsin.ingests) == 1


def test_a_retry_after_can_be_a_date(send: Any, tocsin: FakeTocsin) -> None:
    tocsin.faults += [Answer(503, {"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"})]
    with pytest.raises(ApiError) as raised:
        send(calls(1))
    assert (raised.value.retry_after_seconds or 0) > 86_400


@pytest.mark.parametrize("status", [400, 401, 403, 409, 415])
def test_a_refusal_is_not_repeated(send: Any, tocsin: FakeTocsin, status: int) -> None:
    details = [{"field": "toolName", "message": "Required"}]
    tocsin.faults += [Answer(status, body={"error": "no", "details": details})]
    with pytest.raises(ApiError, match=r"no \(toolName: Required\)") as raised:
        send(calls(1))
    assert (raised.value.status, raised.value.details) == (status, details)
    assert raised.value.code is None
    assert len(tocsin.ingests) == 1


def test_errors_belong_to_both_families(send: Any, tocsin: FakeTocsin) -> None:
    tocsin.faults += [Answer(403)]
    with pytest.raises(httpx.HTTPStatusError) as raised:
        send(calls(1))
    assert isinstance(raised.value, TocsinError)
    assert API_KEY not in str(raised.value)


def test_out_of_reach_is_httpx_error(send: Any, tocsin: FakeTocsin) -> None:
    tocsin.stop()
    with pytest.raises(httpx.ConnectError):
        send(calls(1))


def test_an_answer_that_is_not_tocsins_is_no_success(send: Any, tocsin: FakeTocsin) -> None:
    tocsin.faults += [Answer(200, body="Welcome to the hotel's network")]
    with pytest.raises(httpx.RemoteProtocolError, match="is it Tocsin's URL"):
        send(calls(1))


def test_partial_says_which_events_were_left_out(send: Any, tocsin: FakeTocsin) -> None:
    events = calls(1_002)
    del events[1_001]["type"]
    result = send(events, partial=True)
    assert (result.ingested, result.rejected) == (1_001, 1)
    assert result.rejections == (
        Rejection(1_001, [{"field": "events[1].type", "message": "Required"}]),
    )


def test_the_same_key_sends_what_is_missing_alone(send: Any, tocsin: FakeTocsin) -> None:
    tocsin.faults += [Answer(200, body={"data": {"ingested": 1_000, "rejected": 0}}), Answer(400)]
    with pytest.raises(ApiError):
        send(calls(1_500), idempotency_key="import-7")
    assert send(calls(1_500), idempotency_key="import-7").ingested == 1_500
    assert send(calls(1_500), idempotency_key="import-7").ingested == 1_500
    assert tocsin.tools == [f"t{number}" for number in range(1_500)]
    keys = {request.key for request in tocsin.ingests}
    assert "import-7" in keys
    assert len(keys) == 2


def test_batches_are_told_one_by_one(tocsin: FakeTocsin) -> None:
    tocsin.faults += [Answer(200, body={"data": {"ingested": 1_000, "rejected": 0}}), Answer(400)]
    told = []
    with Client(tocsin.url, API_KEY) as client, pytest.raises(ApiError):
        for result in client.send_batches(calls(1_001)):
            told.append(result.ingested)
    assert told == [1_000]


def test_events_are_sent_as_they_are(send: Any, tocsin: FakeTocsin) -> None:
    event = {"type": "custom", "toolName": "ü", "metadata": {"deep": [1, None, {"a": 0.1}]}}
    send([event])
    assert json.loads(tocsin.ingests[0].body) == {"events": [event]}


# Nothing twice, under nobody else's key


def test_derived_keys_are_not_the_callers_next_ones(send: Any, tocsin: FakeTocsin) -> None:
    send(calls(1_500), idempotency_key="backfill")
    assert send(calls(3), idempotency_key="backfill-2").ingested == 3
    assert len(tocsin.ledger) == 1_503
    assert send(calls(1_500), idempotency_key="k" * 255).ingested == 1_500
    assert max(len(request.key or "") for request in tocsin.ingests) <= 255


@pytest.mark.parametrize("repaired", ["x" * 10, "x" * 400])
@pytest.mark.parametrize("place", [0, 5, 9])
def test_a_request_that_was_cut_and_is_sent_again_repaired_stores_no_part_twice(
    send: Any, tocsin: FakeTocsin, place: int, repaired: str
) -> None:
    tocsin.max_request_bytes = 500
    events = calls(10)
    events[place]["metadata"] = {"text": "x" * 600}
    with pytest.raises(ApiError, match="413"):
        send(events, idempotency_key="import")
    stored = list(tocsin.tools)
    events[place]["metadata"] = {"text": repaired}
    tocsin.max_request_bytes = 4_000  # the whole would fit now
    send(events, idempotency_key="import")
    assert tocsin.tools == [f"t{number}" for number in range(10)]
    assert stored == tocsin.tools[: len(stored)]


def test_another_request_under_a_used_key_stores_nothing(send: Any, tocsin: FakeTocsin) -> None:
    send(calls(1_000), idempotency_key="k")
    other = [event | {"agentId": "a"} for event in calls(1_200)]
    with pytest.raises(ApiError, match="409"):
        send(other, idempotency_key="k")
    assert len(tocsin.ledger) == 1_000


@given(
    count=st.integers(1, 40),
    first_limit=st.integers(120, 1_000),
    second_limit=st.integers(120, 1_000),
    broken=st.integers(0, 39),
    later=st.integers(0, 3),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50)
def test_whatever_is_cut_and_sent_again_is_stored_once_or_refused(
    count: int, first_limit: int, second_limit: int, broken: int, later: int
) -> None:
    tocsin = FakeTocsin()
    transport = httpx.MockTransport(lambda request: answer(tocsin, request))
    client = Client("http://tocsin", API_KEY, transport=transport, backoff=NO_WAIT)
    tocsin.chokes_on = lambda event: event["toolName"] == f"t{broken}"
    for limit, events in ((first_limit, calls(count)), (second_limit, calls(count + later))):
        tocsin.max_request_bytes = limit
        with suppress(ApiError):
            client.send(events, idempotency_key="k")
        tocsin.chokes_on = lambda event: False
    assert tocsin.tools == [f"t{number}" for number in range(len(tocsin.tools))]
    client.close(0)
    tocsin.close()


def answer(tocsin: FakeTocsin, request: httpx.Request) -> httpx.Response:
    headers = request.headers
    got = tocsin.ingest(
        Ingest(headers["Idempotency-Key"], False, request.read(), headers["Authorization"])
    )
    assert got is not None
    return httpx.Response(got.status, headers=got.headers, json=got.body)


@pytest.mark.parametrize("key", ["", " k", "ü", "k" * 256, "a\nb"])
def test_what_can_be_no_key_is_said(send: Any, tocsin: FakeTocsin, key: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        send(calls(1), idempotency_key=key)
    with pytest.raises(Malformed):
        check_key(key)


# Nothing altered


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), 2**70, "\ud800", object()])
def test_what_json_cannot_say_is_never_altered(send: Any, tocsin: FakeTocsin, value: Any) -> None:
    events = [*calls(2), {"type": "custom", "metadata": {"a": [None, {"b": value}]}}, *calls(1)]
    with pytest.raises((Invalid, TypeError)):
        send(events)
    assert tocsin.ledger == []
    result = send(events, partial=True)
    assert (result.ingested, result.rejected) == (3, 1)
    assert [rejection.index for rejection in result.rejections] == [2]


def test_a_number_that_is_none_is_named(send: Any) -> None:
    with pytest.raises(Invalid) as raised:
        send([{"type": "custom", "metadata": {"rows": [1.0, float("nan")]}}])
    assert raised.value.details[0]["field"] == "metadata.rows[1]"


def test_indexes_count_what_was_left_out_before(send: Any, tocsin: FakeTocsin) -> None:
    events: list[dict[str, Any]] = [{"cost": float("nan")}, *calls(1_001), {"toolName": "no type"}]
    result = send(events, partial=True)
    assert sorted(rejection.index for rejection in result.rejections) == [0, 1_002]
    assert result.ingested == 1_001


def test_ignored_fields_are_told(send: Any, tocsin: FakeTocsin) -> None:
    events = [event | {"unknown1": 1} for event in calls(1_000)] + [calls(1)[0] | {"unknown2": 1}]
    assert send(events).ignored_fields == ("unknown1", "unknown2")


# Places that moved


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_move_within_the_origin_is_followed(send: Any, tocsin: FakeTocsin, status: int) -> None:
    tocsin.faults += [Answer(status, {"Location": "/elsewhere"})]
    assert send(calls(2)).ingested == 2
    first, second = tocsin.ingests
    assert (first.body, first.key, first.authorization) == (
        second.body,
        second.key,
        f"Bearer {API_KEY}",
    )


@pytest.mark.parametrize("place", ["http://127.0.0.1:1/", "https://{host}/", "//127.0.0.2/", None])
def test_the_key_goes_nowhere_else(send: Any, tocsin: FakeTocsin, place: str | None) -> None:
    headers = {} if place is None else {"Location": place.format(host=tocsin.url[7:])}
    tocsin.faults += [Answer(307, headers)]
    with pytest.raises(ApiError, match="307"):
        send(calls(1))
    assert len(tocsin.ingests) == 1


def test_a_name_in_a_move_replaces_no_key(send: Any, tocsin: FakeTocsin) -> None:
    tocsin.faults += [Answer(307, {"Location": f"http://me:secret@{tocsin.url[7:]}/x"})]
    assert send(calls(1)).ingested == 1
    assert tocsin.ingests[1].authorization == f"Bearer {API_KEY}"


def test_a_circle_of_moves_ends(send: Any, tocsin: FakeTocsin) -> None:
    tocsin.faults += [Answer(307, {"Location": "/"})] * 20
    with pytest.raises(ApiError, match="307"):
        send(calls(1))
    assert len(tocsin.ingests) == 6


@pytest.mark.parametrize("details", [5, {"a": 1}, "text", [None, 3]])
def test_a_strange_refusal_is_a_refusal(send: Any, tocsin: FakeTocsin, details: Any) -> None:
    tocsin.faults += [Answer(400, body={"error": "no", "details": details})]
    with pytest.raises(ApiError, match="400"):
        send(calls(1))
