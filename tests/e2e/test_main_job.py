"""The main job: a real agent's tool calls are seen live, once, in order, whatever is killed."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import mcp
import pytest
from httpx_sse import connect_sse
from mcp.client.stdio import stdio_client

from support.product import Product
from support.waiting import HANG_SECONDS, until
from tocsin.services.reading import replay, verification

pytestmark = pytest.mark.xdist_group("product")

REPOSITORY = Path(__file__).parents[2]
KILLED = (
    *("valkey", "ingest", "fanout", "project", "detect"),
    *("deliver", "poller", "stream", "gateway"),
)


class Watcher:
    """A subscriber that comes back after every cut with the last id it saw."""

    def __init__(self, product: Product, path: str = "/api/v1/events/stream") -> None:
        self.events: list[dict[str, Any]] = []
        self.cuts = 0
        self._url, self._headers = product.url + path, dict(product.headers)
        self._stop = threading.Event()
        self._opened = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._opened.wait(HANG_SECONDS)

    def _run(self) -> None:
        last_id = ""
        while not self._stop.is_set():
            headers = self._headers | ({"Last-Event-ID": last_id} if last_id else {})
            try:
                with (
                    httpx.Client(timeout=httpx.Timeout(5, read=20)) as client,
                    connect_sse(client, "GET", self._url, headers=headers) as source,
                ):
                    source.response.raise_for_status()
                    self._opened.set()
                    for event in source.iter_sse():
                        if event.data:
                            self.events.append(json.loads(event.data))
                        if self._stop.is_set():
                            return
                        last_id = event.id
            except (httpx.HTTPError, httpx.StreamError):
                self.cuts += 1
                self._stop.wait(0.1)

    def stop(self) -> None:
        self._stop.set()

    def of(self, session: str) -> list[dict[str, Any]]:
        """Return a session's calls, without what Tocsin tells of them."""
        of = [event for event in self.events if event["session_id"] == session]
        return [event for event in of if event["type"] not in ("session_update", "anomaly")]


@pytest.fixture
def watcher(product: Product) -> Iterator[Watcher]:
    watcher = Watcher(product)
    yield watcher
    watcher.stop()


def send(product: Product, **fields: Any) -> httpx.Response:
    return httpx.post(
        f"{product.url}/api/v1/ingest/raw",
        headers=product.headers,
        json={"type": "tool_call", "toolName": "t"} | fields,
        timeout=HANG_SECONDS,
    )


def test_a_posted_event_is_seen_at_once(product: Product, watcher: Watcher) -> None:
    answer = send(product, sessionId="ses_at_once", metadata={"nested": [1, {"a": None}]})
    assert answer.status_code == 200
    until(lambda: bool(watcher.of("ses_at_once")), "the event is seen")
    (event,) = watcher.of("ses_at_once")
    assert event["metadata"] == {"nested": [1, {"a": None}]}
    assert event["lineage_hash"] == f"sha256:{event['hash']}"


def test_what_is_unusual_is_told(product: Product, watcher: Watcher) -> None:
    assert (
        send(product, sessionId="ses_drop", toolName="drop_table", agentId="a").status_code == 200
    )

    def told() -> list[dict[str, Any]]:
        of = [event for event in watcher.events if event.get("session_id") == "ses_drop"]
        return [event for event in of if event["type"] == "anomaly"]

    until(lambda: bool(told()), "the anomaly is told")
    assert "destructive_pattern" in json.dumps(told())


def test_a_newcomer_s_igris_client_sees_named_events(product: Product) -> None:
    before = send(product, sessionId="ses_igris").json()
    assert before["data"] == {"ingested": 1, "rejected": 0}
    with (
        httpx.Client(timeout=HANG_SECONDS) as client,
        connect_sse(
            client, "GET", f"{product.url}/api/v1/events?after=0", headers=product.headers
        ) as source,
    ):
        seen = (event for event in source.iter_sse() if event.data)
        event = next(event for event in seen if json.loads(event.data)["sessionId"] == "ses_igris")
    assert event.event == "tool_call"
    assert json.loads(event.data)["toolName"] == "t"


async def call_tools(product: Product, calls: int, between: Any) -> None:
    """Drive a real MCP server through the relay: git, on this repository."""
    relay = mcp.StdioServerParameters(
        command=sys.executable,
        args=[
            *("-m", "tocsin.cli", "mcp", "--session", "ses_agent", "--"),
            *(sys.executable, "-m", "mcp_server_git", "--repository", str(REPOSITORY)),
        ],
        env={"TOCSIN_HOME": str(product.home)},
    )
    async with stdio_client(relay) as streams, mcp.ClientSession(*streams) as session:
        await session.initialize()
        for number in range(calls):
            answer = await session.call_tool(
                "git_log", {"repo_path": str(REPOSITORY), "max_count": 1 + number}
            )
            assert answer.content
            await asyncio.to_thread(between, number)


def send_the_rest(product: Product) -> None:
    """Run another relay: its client ends one soon, on a slow machine before it has sent all."""
    relay = ["-m", "tocsin.cli", "mcp", "--flush-seconds", str(HANG_SECONDS / 2), "--", "true"]
    subprocess.run(  # noqa: S603 (our own program)
        [sys.executable, *relay],
        env=os.environ | {"TOCSIN_HOME": str(product.home)},
        stdin=subprocess.DEVNULL,
        timeout=HANG_SECONDS,
        check=True,
    )


def test_every_call_of_an_agent_is_seen_once_and_in_order_across_kills(
    product: Product, watcher: Watcher
) -> None:
    per_part = 4
    calls = per_part * len(KILLED)

    def kill(number: int) -> None:
        if number % per_part == 0:
            product.kill(KILLED[number // per_part])
        elif number % per_part == per_part - 1:
            product.until_ready()

    asyncio.run(call_tools(product, calls, kill))
    send_the_rest(product)
    until(lambda: len(called(watcher)) >= calls, "every call is seen")
    product.until_ready()
    send(product, sessionId="ses_end")
    until(lambda: bool(watcher.of("ses_end")), "and nothing after it")

    seen = called(watcher)
    assert [event["tool_name"] for event in seen] == ["git_log"] * calls
    assert len({event["source_id"] for event in seen if "source_id" in event}) in (0, calls)
    timestamps = [event["timestamp"] for event in seen]
    assert timestamps == sorted(timestamps)
    seqs = [event["seq"] for event in watcher.events]
    assert seqs == list(range(seqs[0], seqs[-1] + 1))
    assert watcher.cuts >= 2  # the gateway and the stream service were among the killed
    check_hashes(product, list(watcher.events))  # more may come meanwhile
    events = len(watcher.of("ses_agent"))
    until(lambda: session(product, "ses_agent").get("events") == events, "counted once each")


def called(watcher: Watcher) -> list[dict[str, Any]]:
    """The calls that were seen, without the definitions of tools."""
    return [event for event in watcher.of("ses_agent") if event["type"] == "tool_call"]


def session(product: Product, id: str) -> Mapping[str, int | str]:
    """What is projected of a session."""
    with product.tables() as admin:
        return admin.projections.get(product.org, "session", id) or {}


def check_hashes(product: Product, events: list[dict[str, Any]]) -> None:
    """The ledger verifies, and says of every event what the stream said."""
    with product.tables() as admin:
        last_seq = verification.verify(admin.ledger, admin.journal, product.org).last_seq
        assert last_seq >= events[-1]["seq"]
        stored = replay.read(
            admin.ledger,
            admin.journal,
            product.org,
            0,
            limit=last_seq,
            max_bytes=2**30,  # other tests' events are large
        )
    hashes = {event.seq: event.hash.hex() for event in stored}
    assert all(event["hash"] == hashes[event["seq"]] for event in events)


def test_events_that_were_waited_for_are_found_by_ids_that_hold_anything(product: Product) -> None:
    product.until_ready()
    name = "a/b c?d=%2F\ne"
    told: dict[str, Any] = {}

    def sealed() -> bool:  # a slow machine may take longer than one request waits
        response = httpx.post(
            f"{product.url}/api/v1/ingest/raw?wait=sealed",
            headers=product.headers | {"Idempotency-Key": "waited for"},
            json={"type": "tool_call", "toolName": "t", "sessionId": name, "agentId": name},
            timeout=HANG_SECONDS,
        )
        told.update(response.raise_for_status().json()["data"])
        return bool(told["sealed"])

    until(sealed, "it is sealed")
    (place,) = told["events"]
    quoted = quote(name, safe="")
    for path in (f"/api/v1/events/sessions/{quoted}", f"/api/v1/agents/{quoted}/events"):
        (event,) = httpx.get(
            product.url + path, headers=product.headers, timeout=HANG_SECONDS
        ).json()
        found = {"id": event["id"], "seq": event["seq"], "hash": event["lineage_hash"][7:]}
        assert found == place
