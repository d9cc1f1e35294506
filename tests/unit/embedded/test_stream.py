"""The module's methods, on a log in memory or in a file; no server."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from fakes.stores import FakeClock
from support.waiting import HANG_SECONDS
from tocsin.domain.errors import Forbidden, IntegrityError, Invalid, TooLarge
from tocsin.embedded import EventStream, SqliteLog, StreamEvent

pytestmark = pytest.mark.anyio
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
DOCUMENTED: dict[str, Any] = {
    "id": "1f0c9a4e-6f0e-4a9e-8a53-0d2f7d0f2b11",
    "type": "agent.revoked",
    "timestamp": datetime(2026, 1, 15, 10, tzinfo=UTC),
    "data": {"agentId": "a1", "reason": "manual-revocation"},
    "agentId": "a1",
    "userId": "u1",
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def opened(db: Any = ":memory:", **options: Any) -> AsyncIterator[EventStream]:
    stream = EventStream(db, **{"require_auth": False, **options})
    try:
        async with asyncio.timeout(HANG_SECONDS):
            yield stream
    finally:
        await stream.aclose()


async def emit(stream: EventStream, **event: Any) -> StreamEvent:
    sealed = await stream.emit({"type": "audit", **event})
    assert sealed is not None
    return sealed


# emit


async def test_a_documented_event_is_sealed_as_it_is_emitted() -> None:
    async with opened() as stream:
        sealed = await emit(stream, **DOCUMENTED)
        assert (sealed.id, sealed.type, sealed.timestamp) == (
            DOCUMENTED["id"],
            DOCUMENTED["type"],
            DOCUMENTED["timestamp"],
        )
        assert (sealed.data, sealed.agent_id, sealed.user_id) == (DOCUMENTED["data"], "a1", "u1")
        following = await emit(stream, agent_id="a2")
        assert (sealed.seq, following.seq) == (1, 2)
        assert following.prev_hash == sealed.hash != following.hash
        assert following.agent_id == "a2"


async def test_an_event_without_id_and_time_is_given_them() -> None:
    clock = FakeClock()
    async with opened(SqliteLog(clock=clock)) as stream:
        sealed = await emit(stream)
        assert sealed.id.startswith("evt_")
        assert sealed.timestamp == datetime.fromtimestamp(clock.ms / 1_000, UTC)


async def test_it_may_be_left_unawaited() -> None:
    async with opened() as stream:
        for n in range(5):
            stream.emit({"type": "audit", "data": {"n": n}})
        assert (await emit(stream)).seq == 6


@pytest.mark.parametrize(
    ("event", "error", "says"),
    [
        ({"data": {}}, Invalid, "type"),
        ({"events": [{"type": "audit"}]}, Invalid, "type"),
        ({"type": "nonsense"}, Invalid, "type"),
        ({"type": "audit", "agent": "a1"}, Invalid, "agent"),
        ({"type": "audit", "agentId": 7}, Invalid, "agentId"),
        ({"type": "audit", "data": {"x": [0, float("nan")]}}, Invalid, "data.x[1]"),
        ({"type": "audit", "costUsd": float("inf")}, Invalid, "costUsd"),
        ({"type": "audit", "data": {"rate": [float("nan")]}}, Invalid, "data.rate[0]"),
        ({"type": "audit", "data": float("-inf")}, Invalid, "data"),
        ({"type": "anomaly"}, Forbidden, "type"),
    ],
)
async def test_what_is_no_event_is_refused_at_once(
    event: dict[str, Any], error: type[Invalid], says: str
) -> None:
    async with opened() as stream:
        with pytest.raises(error) as refused:
            stream.emit(event)
        assert [detail["field"] for detail in refused.value.details] == [says]
        with pytest.raises(TypeError):
            stream.emit({"type": "audit", "data": object()})
        assert (await emit(stream)).seq == 1


async def test_what_is_too_large_is_refused_alone(caplog: pytest.LogCaptureFixture) -> None:
    async with opened() as stream:
        first = stream.emit({"type": "audit"})
        large = stream.emit({"type": "audit", "data": "x" * 300_000})
        last = stream.emit({"type": "audit"})
        with pytest.raises(TooLarge, match="300,"):
            await large
        assert [event.seq for event in (await first, await last) if event] == [1, 2]
        assert "x" * 100 not in caplog.text


async def test_what_was_emitted_before_the_end_is_stored(tmp_path: Path) -> None:
    async with opened(tmp_path / "log.db") as stream:
        for n in range(2_500):
            stream.emit({"type": "audit", "data": {"n": n}})
    async with opened(tmp_path / "log.db") as again:
        assert (await emit(again)).seq == 2_501
        assert (await again.verify()).last_seq == 2_501
        with closing(sqlite3.connect(tmp_path / "log.db")) as file:
            ((segments,),) = file.execute("SELECT count(*) FROM tocsin_segment")
        assert segments < 100  # many of one wait are one commit


# replay


async def test_replay_is_the_newest_first_and_1000_at_most() -> None:
    async with opened() as stream:
        for n in range(1_200):
            stream.emit({"type": "audit", "id": f"e{n}"})
        await emit(stream, id="last")
        found = await stream.replay(LONG_AGO)
        assert [event.seq for event in found] == list(range(1_201, 201, -1))
        assert found[0].id == "last"


async def test_replay_of_some_types_since_a_moment() -> None:
    clock = FakeClock()
    async with opened(SqliteLog(clock=clock)) as stream:
        start = datetime.fromtimestamp(clock.ms / 1_000, UTC)
        for n, type in enumerate(["audit", "auth.failed", "agent.created", "audit"]):
            clock.ms += 1
            await emit(stream, type=type, data={"n": n})
        found = await stream.replay(start, ["audit", "auth.failed"])
        assert [event.data["n"] for event in found] == [3, 1, 0]
        later = start + timedelta(milliseconds=2)
        assert [event.data["n"] for event in await stream.replay(later)] == [3, 2, 1]
        assert await stream.replay(start + timedelta(hours=1)) == []
        with pytest.raises(ValueError, match="'nope' is not an event type"):
            await stream.replay(start, ["nope"])
        with pytest.raises(ValueError, match="time zone"):
            await stream.replay(start.replace(tzinfo=None))


async def test_replay_keeps_to_the_types_of_the_module() -> None:
    async with opened(event_types=["audit"]) as stream:
        await emit(stream)
        await emit(stream, type="auth.failed")
        assert [event.seq for event in await stream.replay(LONG_AGO)] == [1]
        assert await stream.replay(LONG_AGO, ["auth.failed"]) == []
    async with opened(event_types=[]) as silent:
        await emit(silent)
        assert await silent.replay(LONG_AGO, ["audit"]) == []


# verify


async def test_a_change_in_the_file_is_found(tmp_path: Path) -> None:
    async with opened(tmp_path / "log.db") as stream:
        for n in range(4):
            await emit(stream, data={"amount": n})
        verified = await stream.verify()
        assert (verified.last_seq, verified.expired) == (4, 0)
    with closing(sqlite3.connect(tmp_path / "log.db", autocommit=True)) as file:
        file.execute(
            "UPDATE tocsin_batch SET entries = (SELECT entries FROM tocsin_batch WHERE rowid = 2)"
            " WHERE rowid = 3"
        )
    async with opened(tmp_path / "log.db") as again:
        with pytest.raises(IntegrityError) as broken:
            await again.verify()
        assert broken.value.seq == 3
        with pytest.raises(IntegrityError):
            await again.replay(LONG_AGO)


async def test_orgs_share_a_file_and_see_nothing_of_each_other(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    async with (
        opened(SqliteLog(path, org="acme")) as acme,
        opened(SqliteLog(path, org="beta")) as beta,
    ):
        ours, theirs = await asyncio.gather(emit(acme, id="ours"), emit(beta, id="theirs"))
        assert (ours.seq, theirs.seq) == (1, 1)
        assert [event.id for event in await acme.replay(LONG_AGO)] == ["ours"]
        assert [event.id for event in await beta.replay(LONG_AGO)] == ["theirs"]


# handle_request


def scope(
    path: str = "/api/kavach/events/stream", method: str = "GET", accept: str = "text/event-stream"
) -> dict[str, Any]:
    headers = [(b"accept", accept.encode())] if accept else []
    return {
        "type": "http",
        "method": method,
        "path": path,
        "headers": headers,
        "query_string": b"",
    }


async def test_a_request_for_the_stream_is_handled() -> None:
    async with opened() as stream:
        assert stream.handle_request(scope())
        assert stream.handle_request(Request(scope()))
        assert stream.handle_request(scope(accept="application/json, Text/Event-Stream;q=0.9"))
        mounted = scope("/below/api/kavach/events/stream")
        assert stream.handle_request(mounted | {"root_path": "/below"})
        assert stream.handle_request(scope() | {"root_path": "/api/kavach"})


@pytest.mark.parametrize(
    "other",
    [
        scope("/api/kavach/events"),
        scope("/api/kavach/events/stream/"),
        scope("/below/api/kavach/events/stream"),
        scope(method="POST"),
        scope(method="HEAD"),
        scope(accept="application/json"),
        scope(accept="*/*"),
        scope(accept=""),
        {"type": "websocket", "path": "/api/kavach/events/stream", "headers": []},
        {"type": "lifespan"},
    ],
)
async def test_what_is_for_others_is_left_to_them(other: dict[str, Any]) -> None:
    async with opened() as stream:
        assert stream.handle_request(other) is None


# Options


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"require_auth": True}, "validate_token"),
        ({"event_types": ["audit", "nope"]}, "'nope' is not an event type"),
        ({"max_connections": 0}, "above zero"),
        ({"heartbeat_seconds": 0}, "above zero"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        EventStream(**{"require_auth": False, **options})


@pytest.mark.parametrize("option", list(signature(EventStream).parameters))
def test_every_option_is_documented(option: str) -> None:
    page = (Path(__file__).parents[3] / "docs" / "embedded.md").read_text()
    assert any(f"`{option}`" in row for row in page.splitlines() if row.startswith("| `"))


def test_an_org_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not an org id"):
        SqliteLog(org="A B")


def test_what_it_takes_to_import_it() -> None:
    heavy = "boto3 botocore pydantic_settings starlette valkey httpx aws_lambda_powertools rich"
    program = (
        "import sys; from tocsin.embedded import EventStream; "
        "stream = EventStream(require_auth=False); stream.emit({'type': 'audit'}).result(20); "
        f"print(*(name for name in {heavy.split()} if name in sys.modules))"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


FORKED = """
import os, sys
from tocsin.embedded import EventStream
stream = EventStream(sys.argv[1], require_auth=False)
stream.emit({"type": "audit"}).result(10)
child = os.fork()
if not child:
    try:
        stream.emit({"type": "audit"})
    except RuntimeError as error:
        os._exit(0 if "in each process" in str(error) else 2)
    os._exit(3)
_, status = os.waitpid(child, 0)
stream.emit({"type": "audit"}).result(10)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_after_a_fork_emit_says_what_to_do_and_does_not_hang(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORKED, str(tmp_path / "log.db")]
    assert subprocess.run(command, check=False, timeout=60).returncode == 0  # noqa: S603 (ours)


async def test_an_event_waits_for_a_file_that_another_process_holds(tmp_path: Path) -> None:
    stream = EventStream(tmp_path / "log.db", require_auth=False)
    with closing(sqlite3.connect(tmp_path / "log.db", autocommit=True)) as other:
        other.execute("BEGIN IMMEDIATE")
        emitted = stream.emit({"type": "audit"})
        await asyncio.sleep(5.5)  # longer than SQLite itself waits
        other.execute("ROLLBACK")
    event = await emitted
    assert event
    assert event.seq == 1
    await stream.aclose()
