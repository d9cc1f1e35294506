"""Sending: what arrives, in which requests, how often, and what is raised."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from support.fake_tocsin import API_KEY, Answer, FakeTocsin, Fault, fake_tocsin
from tocsin.client import ApiError, AsyncClient, Backoff, Client, Rejection, SendResult
from tocsin.domain.errors import TocsinError

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
