"""Fire and forget: what arrives, what is counted as lost, and that nobody waits for it."""

import asyncio
import gc
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from support.fake_tocsin import API_KEY, Answer, FakeTocsin, Fault, fake_tocsin
from support.waiting import HANG_SECONDS
from tocsin.client import ApiError, AsyncClient, Backoff, Client, Rejected, _backoff, _queue
from tocsin.domain.errors import Invalid

SOON = Backoff(first_seconds=0.01, max_seconds=0.05)


@pytest.fixture
def tocsin() -> Iterator[FakeTocsin]:
    with fake_tocsin() as server:
        yield server


class Blocking:
    """An AsyncClient in a loop of its own, as a Client."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._runner = asyncio.Runner()
        self._closed = False
        self.client = self._run(self._make(*args, **options))

    async def _make(self, *args: Any, **options: Any) -> AsyncClient:
        return AsyncClient(*args, **options)

    def _run(self, what: Any) -> Any:
        return self._runner.run(what)

    def emit(self, *events: dict[str, Any]) -> None:
        async def emit() -> None:
            for event in events:
                self.client.emit(event)

        self._run(emit())

    @property
    def dropped(self) -> int:
        return int(self.client.dropped)

    @property
    def refused(self) -> int:
        return int(self.client.refused)

    @property
    def ignored_fields(self) -> frozenset[str]:
        return frozenset(self.client.ignored_fields)

    def flush(self, timeout_seconds: float | None = None) -> bool:
        return bool(self._run(self.client.flush(timeout_seconds)))

    def close(self, timeout_seconds: float = 5.0) -> None:
        if not self._closed:
            self._closed = True
            self._run(self.client.aclose(timeout_seconds))
            self._runner.close()


class Sync(Client):
    def emit(self, *events: Any) -> None:
        for event in events:
            super().emit(event)


type Either = Sync | Blocking


@pytest.fixture(params=[Sync, Blocking], ids=["sync", "async"])
def make(request: pytest.FixtureRequest, tocsin: FakeTocsin) -> Iterator[Any]:
    """Makes either client; closed in the end."""
    made: list[Either] = []

    def make(**options: Any) -> Either:
        client = request.param(tocsin.url, API_KEY, **({"backoff": SOON} | options))
        made.append(client)
        return client  # type: ignore[no-any-return]

    yield make
    for client in made:
        client.close(0)


def calls(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [{"type": "tool_call", "toolName": f"t{n}"} for n in range(start, start + count)]


def tools(count: int, start: int = 0) -> list[str]:
    return [f"t{n}" for n in range(start, start + count)]


def test_what_is_emitted_is_stored_in_order_without_another_call(tocsin: FakeTocsin) -> None:
    with Client(tocsin.url, API_KEY) as client:
        for call in calls(3):
            client.emit(call)
        tocsin.wait_until(lambda: len(tocsin.ledger) == 3)
        assert tocsin.tools == tools(3)
        assert len(tocsin.ingests) == 1


def test_100_events_go_at_once_and_fewer_wait(
    tocsin: FakeTocsin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_queue, "FLUSH_SECONDS", 3_600)
    with Client(tocsin.url, API_KEY) as client:
        for call in calls(100):
            client.emit(call)
        tocsin.wait_until(lambda: len(tocsin.ledger) == 100)
        for call in calls(99):
            client.emit(call)
        assert client.flush(10)
        assert [len(request.events) for request in tocsin.ingests] == [100, 99]


def test_flush_sends_all_of_it(make: Any, tocsin: FakeTocsin) -> None:
    client = make()
    client.emit(*calls(2_500))
    assert client.flush(30)
    assert tocsin.tools == tools(2_500)
    assert max(len(request.events) for request in tocsin.ingests) <= 1_000
    assert client.flush(0)


@pytest.mark.parametrize(
    "fault",
    ["lose the request", "lose the answer", Answer(429, {"Retry-After": "0"}), Answer(503)],
    ids=str,
)
def test_what_may_pass_is_repeated_and_stored_once(
    make: Any, tocsin: FakeTocsin, fault: Fault
) -> None:
    tocsin.faults += [fault] * 8  # more than `send` would try
    client = make()
    client.emit(*calls(2))
    assert client.flush(30)
    client.emit(*calls(2, 2))
    assert client.flush(30)
    assert tocsin.tools == tools(4)
    assert len({request.key for request in tocsin.ingests[:9]}) == 1
    assert (client.dropped, client.refused) == (0, 0)


def test_an_outage_is_outlived_without_anybody_waiting(make: Any, tocsin: FakeTocsin) -> None:
    client = make()
    tocsin.stop()
    client.emit(*calls(500))
    assert not client.flush(0.2)
    client.emit(*calls(500, 500))
    tocsin.start()
    assert client.flush(30)
    assert tocsin.tools == tools(1_000)


def test_a_full_queue_drops_the_newest(make: Any, tocsin: FakeTocsin) -> None:
    client = make()
    tocsin.stop()
    client.emit(*calls(12_000))
    assert 1_000 <= client.dropped <= 2_000  # one batch may be on its way
    kept = 12_000 - client.dropped
    tocsin.start()
    assert client.flush(60)
    assert tocsin.tools == tools(kept)


def test_the_queue_is_bounded_in_bytes_too(make: Any, tocsin: FakeTocsin) -> None:
    client = make()
    tocsin.stop()
    large = {"type": "custom", "toolName": "large", "metadata": {"text": "x" * 1_000_000}}
    client.emit(*[large] * 200)
    assert client.dropped > 0
    assert (200 - client.dropped) * 1_000_000 < 140_000_000
    client.close(0)


def test_an_event_is_sent_as_it_was_when_it_was_emitted(make: Any, tocsin: FakeTocsin) -> None:
    client, event = make(), {"type": "custom", "toolName": "before"}
    client.emit(event)
    event["toolName"] = "after"
    assert client.flush(10)
    assert tocsin.tools == ["before"]


def test_an_invalid_event_does_not_take_the_others_with_it(
    make: Any, tocsin: FakeTocsin, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[tuple[int, BaseException]] = []
    client = make(on_loss=lambda count, error: told.append((count, error)))
    client.emit(*calls(2), {"toolName": "s3cret"}, *calls(2, 2))
    assert client.flush(10)
    assert tocsin.tools == tools(4)
    ((count, error),) = told
    assert (count, client.refused, client.dropped) == (1, 1, 0)
    assert isinstance(error, Rejected)
    assert error.rejections[0].details == [{"field": "events[2].type", "message": "Required"}]
    assert "1 emitted events are lost: Rejected" in caplog.text
    assert "s3cret" not in caplog.text
    assert API_KEY not in caplog.text


def test_a_refusal_is_counted_and_told_and_the_next_are_sent(
    make: Any, tocsin: FakeTocsin, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[tuple[int, BaseException]] = []
    client = make(on_loss=lambda count, error: told.append((count, error)))
    tocsin.faults += [Answer(403, body={"error": "s3cret"})]
    client.emit(*calls(3))
    assert client.flush(10)
    client.emit(*calls(1, 3))
    assert client.flush(10)
    assert tocsin.tools == ["t3"]
    assert (client.refused, client.dropped) == (3, 0)
    ((count, error),) = told
    assert (count, isinstance(error, ApiError)) == (3, True)
    assert "3 emitted events are lost: ApiError 403" in caplog.text
    assert "s3cret" not in caplog.text


def test_too_large_a_request_is_halved(make: Any, tocsin: FakeTocsin) -> None:
    tocsin.max_request_bytes = 200
    client = make()
    client.emit(*calls(10), {"type": "custom", "toolName": "x" * 300}, *calls(1, 10))
    assert client.flush(10)
    assert tocsin.tools == tools(11)
    assert client.refused == 1


def is_bad(event: dict[str, Any]) -> bool:
    return bool(event["toolName"].startswith("bad"))


def bad(number: int = 0) -> dict[str, Any]:
    return {"type": "custom", "toolName": f"bad{number}"}


@pytest.mark.parametrize("reason", ["breaks_on", "chokes_on"])
@pytest.mark.parametrize("place", [0, 3, 49])
def test_an_event_that_takes_its_whole_request_along_is_given_up_alone(
    make: Any, tocsin: FakeTocsin, reason: str, place: int
) -> None:
    setattr(tocsin, reason, is_bad)
    told: list[tuple[int, BaseException]] = []
    client = make(on_loss=lambda count, error: told.append((count, error)))
    client.emit(*calls(place), bad(), *calls(49 - place, place))
    assert client.flush(30)
    assert tocsin.tools == tools(49)
    ((count, error),) = told
    assert (count, client.refused, client.dropped) == (1, 1, 0)
    assert isinstance(error, Rejected)
    assert error.events == [bad()]
    assert isinstance(error.__cause__, ApiError)


def test_several_that_break_it_are_each_named(make: Any, tocsin: FakeTocsin) -> None:
    tocsin.breaks_on = is_bad
    lost: list[str] = []
    client = make(on_loss=lambda count, error: lost.extend(e["toolName"] for e in error.events))
    client.emit(*calls(5), bad(1), bad(2), *calls(5, 5), bad(3))
    assert client.flush(30)
    assert tocsin.tools == tools(10)
    assert sorted(lost) == ["bad1", "bad2", "bad3"]


def test_one_that_breaks_it_alone_holds_nobody_up(make: Any, tocsin: FakeTocsin) -> None:
    tocsin.breaks_on = is_bad
    client = make()
    client.emit(bad())
    assert not client.flush(0.5)
    client.emit(*calls(2))
    assert client.flush(30)
    assert tocsin.tools == tools(2)
    assert client.refused == 1


def test_an_outage_that_looks_like_a_bad_event_loses_nothing(make: Any, tocsin: FakeTocsin) -> None:
    tocsin.breaks_on = lambda event: True
    client = make()
    client.emit(*calls(20))
    assert not client.flush(2)
    client.emit(*calls(20, 20))
    assert not client.flush(0.5)
    tocsin.breaks_on = lambda event: False
    assert client.flush(30)
    assert sorted(tocsin.tools) == sorted(tools(40))
    assert (client.dropped, client.refused) == (0, 0)


def test_closing_ends_however_much_breaks(make: Any, tocsin: FakeTocsin) -> None:
    tocsin.breaks_on = lambda event: True
    client = make()
    client.emit(*calls(20))
    assert not client.flush(0.5)
    client.close(0.2)
    assert (client.dropped, client.refused) == (20, 0)


def test_a_request_that_was_taken_without_an_answer_is_not_stored_again_in_parts(
    make: Any, tocsin: FakeTocsin
) -> None:
    tocsin.faults += ["lose the answer", *[Answer(502)] * 6]  # it is stored, and split all the same
    client = make()
    client.emit(*calls(10))
    assert client.flush(30)
    assert tocsin.tools == tools(10)
    assert (client.dropped, client.refused) == (0, 0)


def test_a_server_that_refuses_everything_is_not_asked_about_each_event(
    make: Any, tocsin: FakeTocsin
) -> None:
    tocsin.chokes_on = lambda event: True
    client = make()
    client.emit(*calls(1_000))
    assert client.flush(30)
    assert client.refused == 1_000
    assert len(tocsin.ingests) < 200


def test_a_busy_server_is_waited_for_however_long_it_asks(
    make: Any, tocsin: FakeTocsin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_backoff, "_MAX_ASKED_SECONDS", 0.1)
    tocsin.faults += [Answer(503, {"Retry-After": "3600"}, {"code": "BUSY"})] * 2
    client = make()
    client.emit(*calls(2))
    assert client.flush(10)
    assert tocsin.tools == tools(2)
    assert client.refused == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**70, "\ud800"])
def test_what_json_cannot_say_is_dropped_and_told_never_altered(
    make: Any, tocsin: FakeTocsin, value: Any
) -> None:
    told: list[BaseException] = []
    client = make(on_loss=lambda count, error: told.append(error))
    client.emit(*calls(1), {"type": "custom", "metadata": {"a": [None, value]}}, *calls(1, 1))
    assert client.flush(10)
    assert tocsin.tools == tools(2)
    assert client.dropped == 1
    assert isinstance(told[0], Invalid | TypeError)


def test_ignored_fields_are_told_once(
    make: Any, tocsin: FakeTocsin, caplog: pytest.LogCaptureFixture
) -> None:
    client = make()
    for _ in range(2):
        client.emit(*(call | {"unknown_field": 1} for call in calls(2)))
        assert client.flush(10)
    assert client.ignored_fields == {"unknown_field"}
    assert caplog.text.count("'unknown_field'") == 1


def test_an_exhausted_quota_is_not_waited_for(make: Any, tocsin: FakeTocsin) -> None:
    tocsin.faults += [Answer(429, {"Retry-After": "86400"})]
    client = make()
    client.emit(*calls(2))
    assert client.flush(10)
    assert client.refused == 2


def test_no_json_is_dropped_and_nothing_is_raised(
    make: Any, tocsin: FakeTocsin, caplog: pytest.LogCaptureFixture
) -> None:
    def raising(count: int, error: BaseException) -> None:
        raise ZeroDivisionError

    client = make(on_loss=raising)
    client.emit({"type": object()}, *calls(1))
    tocsin.faults += [Answer(403)]
    assert client.flush(10)
    client.emit(*calls(1, 1))
    assert client.flush(10)
    assert tocsin.tools == ["t1"]
    assert (client.dropped, client.refused) == (1, 1)
    assert caplog.text.count("on_loss failed") == 2


def test_something_else_at_the_url_loses_what_is_sent_there(make: Any, tocsin: FakeTocsin) -> None:
    client = make()
    tocsin.faults += [Answer(200, body="Welcome to the hotel's network")]
    client.emit(*calls(1))
    assert client.flush(10)
    assert (client.dropped, tocsin.tools) == (1, [])


def test_closing_sends_the_rest(make: Any, tocsin: FakeTocsin) -> None:
    client = make()
    client.emit(*calls(1_500))
    client.close(30)
    assert tocsin.tools == tools(1_500)
    assert client.dropped == 0


def test_closing_in_an_outage_ends_and_counts_what_is_lost(make: Any, tocsin: FakeTocsin) -> None:
    client = make(backoff=Backoff(first_seconds=60, max_seconds=600))
    tocsin.faults += [Answer(503)] * 100
    client.emit(*calls(1_500))
    assert not client.flush(0.2)
    client.close(0.2)
    assert client.dropped == 1_500
    assert len({request.key for request in tocsin.ingests}) == 1  # the second was not tried


def test_what_is_emitted_after_the_end_is_dropped(tocsin: FakeTocsin) -> None:
    client = Client(tocsin.url, API_KEY)
    client.close()
    client.emit(*calls(1))
    assert client.dropped == 1


def test_many_threads_emit_into_one_queue(tocsin: FakeTocsin) -> None:
    with Client(tocsin.url, API_KEY) as client, ThreadPoolExecutor(8) as pool:
        for call in calls(4_000):
            pool.submit(client.emit, call)
        pool.shutdown()
        assert client.flush(30)
    assert sorted(tocsin.tools) == sorted(tools(4_000))


def test_a_loop_that_ends_first_loses_nothing(tocsin: FakeTocsin) -> None:
    tocsin.stop()

    async def run() -> AsyncClient:
        client = AsyncClient(tocsin.url, API_KEY, backoff=SOON)
        for call in calls(10):
            client.emit(call)
        return client

    client = asyncio.run(run())
    tocsin.start()
    client._emitter.close(30)
    assert client.dropped == 0
    assert tocsin.tools == tools(10)
    asyncio.run(client.aclose(0))


def test_an_outage_after_the_loops_end_hangs_nobody(tocsin: FakeTocsin) -> None:
    tocsin.stop()

    async def run() -> AsyncClient:
        client = AsyncClient(tocsin.url, API_KEY, backoff=SOON)
        for call in calls(10):
            client.emit(call)
        return client

    client = asyncio.run(run())
    client._emitter.close(0.2)
    assert client.dropped == 10
    asyncio.run(client.aclose(0))


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_async_client_serves_one_loop_after_another(tocsin: FakeTocsin) -> None:
    client = AsyncClient(tocsin.url, API_KEY, backoff=SOON)

    async def use(number: int) -> None:
        client.emit(calls(1, 2 * number)[0])
        assert await client.flush(10)
        assert (await client.send(calls(1, 2 * number + 1))).ingested == 1

    for number in range(3):
        asyncio.run(use(number))
    assert tocsin.tools == tools(6)
    asyncio.run(client.aclose())
    with pytest.raises(RuntimeError, match="closed"):
        asyncio.run(client.send(calls(1)))
    gc.collect()  # the connections of loops that have ended: nobody can close them in order


def test_an_async_transport_of_the_callers_serves_emit_too(tocsin: FakeTocsin) -> None:
    seen: list[bytes] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        seen.append(await request.aread())
        return httpx.Response(200, json={"data": {"ingested": 1, "rejected": 0}})

    async def use() -> None:
        transport = httpx.MockTransport(answer)
        async with AsyncClient("http://tocsin", API_KEY, transport=transport) as client:
            client.emit(calls(1)[0])
            assert await client.flush(10)

    asyncio.run(use())
    assert len(seen) == 1


def test_both_clients_compress_when_they_are_told_to(make: Any, tocsin: FakeTocsin) -> None:
    client = make(compress=True)
    tocsin.faults += ["lose the answer"]
    client.emit(*calls(500))
    assert client.flush(10)
    assert tocsin.tools == tools(500)
    first, second = tocsin.ingests[:2]
    assert (first.media_type, first.body) == ("application/gzip", second.body)
    assert len(first.body) * 4 < len(json.dumps({"events": first.events}))


# Programs


def run(tocsin: FakeTocsin, program: str) -> str:
    done = subprocess.run(  # noqa: S603 (our own program)
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program, tocsin.url, API_KEY],
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_waits_when_a_program_ends_is_sent(tocsin: FakeTocsin) -> None:
    run(
        tocsin,
        "import sys\n"
        "from tocsin.client import Client\n"
        "client = Client(*sys.argv[1:])\n"
        "for n in range(50): client.emit({'type': 'custom', 'toolName': f't{n}'})\n",
    )
    assert tocsin.tools == tools(50)


def test_what_waits_when_asyncio_run_ends_is_sent(tocsin: FakeTocsin) -> None:
    run(
        tocsin,
        "import asyncio, sys\n"
        "from tocsin.client import AsyncClient\n"
        "async def main():\n"
        "    client = AsyncClient(sys.argv[1].replace('127.0.0.1', 'localhost'), sys.argv[2])\n"
        "    for n in range(5): client.emit({'type': 'custom', 'toolName': f't{n}'})\n"
        "asyncio.run(main())\n",
    )
    assert tocsin.tools == tools(5)


def test_a_program_that_turns_sigterm_into_its_end_sends_what_waits(tocsin: FakeTocsin) -> None:
    run(
        tocsin,
        "import os, signal, sys\n"
        "from tocsin.client import Client\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
        "client = Client(*sys.argv[1:])\n"
        "for n in range(5): client.emit({'type': 'custom', 'toolName': f't{n}'})\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "signal.pause()\n",
    )
    assert tocsin.tools == tools(5)


def test_a_forked_child_sends_its_own_events_alone(tocsin: FakeTocsin) -> None:
    run(
        tocsin,
        "import os, sys\n"
        "from tocsin.client import Client\n"
        "client = Client(*sys.argv[1:])\n"
        "client.emit({'type': 'custom', 'toolName': 'first'})\n"
        "assert client.flush(30)\n"  # a connection is open
        "client.emit({'type': 'custom', 'toolName': 'parent'})\n"
        "if (child := os.fork()) == 0:\n"
        "    client.emit({'type': 'custom', 'toolName': 'child'})\n"
        "    sys.exit(0 if client.flush(30) else 1)\n"
        "assert os.waitpid(child, 0)[1] == 0\n",
    )
    assert sorted(tocsin.tools) == ["child", "first", "parent"]
    ports = {event["toolName"]: each.port for each in tocsin.ingests for event in each.events}
    assert ports["child"] != ports["first"]  # nobody shares a connection
