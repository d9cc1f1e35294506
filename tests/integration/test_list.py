"""Govrix Scout's query API over HTTP: uvicorn, httpx and curl for real, the stores on MiniStack."""

import asyncio
import json
import select
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest

from fakes.events import batch
from fakes.stores import FakeClock
from functions.stream.app import build
from integration.test_stream import GOVRIX, IGRIS, KEY, stage
from support.databases import Database, Stores
from support.server import serving
from support.streams import decode
from support.waiting import HANG_SECONDS
from tocsin.domain import batch as batches
from tocsin.domain.keys import Scope, mint
from tocsin.domain.segment import seal
from tocsin.services.access.access import Access
from tocsin.services.access.presented import Credentials
from tocsin.services.reading import selection
from tocsin.services.reading.past import Past
from tocsin.services.sealing.project import Projector
from tocsin.services.stream.parts import StreamLimits, StreamParts
from tocsin.wire.filters import Filter
from unit.services.reading.test_replay import change

pytestmark = pytest.mark.anyio
AGENT, SESSION = "agt_01hx9z2k3mq4n5p6r7s8t9u0v", "ses_07pa5f8q9tw0u1v2x3y4z5a6b"
LIST, AGENTS = IGRIS, "/api/v1/agents"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Product:
    """A stream service over real tables; events are sealed without the rest of the product."""

    url: str
    stores: Stores
    client: httpx.AsyncClient
    clock: FakeClock
    tokens: dict[str, str] = field(default_factory=dict)
    salt: int = 0

    def key(self, org: str, **fields: Any) -> dict[str, str]:
        token, key = mint(org, frozenset({Scope.READ}), "test", 0)
        self.stores.keys.put(replace(key, **fields))
        self.tokens[org] = token
        return {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    def seal(self, org: str, *counts: int, **fields: object) -> None:
        made = []
        for count in counts or (1,):
            self.salt += 1
            made.append(batch(org, count, self.clock.ms, self.salt, **fields))
            self.stores.journal.put(made[-1], batches.pack(made[-1].entries))
        head = self.stores.ledger.head(org)
        segment, events = seal(org, head, made, self.clock.ms)
        assert len(events) == sum(each.count for each in made)
        self.stores.ledger.commit(segment, head)

    def project(self, *orgs: str) -> None:
        stores = self.stores
        Projector(ledger=stores.ledger, journal=stores.journal, projections=stores.projections)(
            orgs
        )

    async def get(self, path: str, headers: dict[str, str]) -> Any:
        response = await self.client.get(path, headers=headers)
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == "application/json"
        return response.json()

    async def curl(self, command: str) -> Any:
        """Run a document's command as it is printed, but for the address."""
        process = await asyncio.create_subprocess_exec(
            *("bash", "-ec", command.replace("http://localhost:4001", self.url)),
            env={"GOVRIX_API_KEY": self.tokens["acme"], "PATH": "/usr/bin:/bin"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, output
        return json.loads(output)


@asynccontextmanager
async def product(database: Database, **numbers: Any) -> AsyncIterator[Product]:
    stores, _ = database.stores()
    clock = FakeClock()
    parts = StreamParts(
        ledger=stores.ledger,
        journal=stores.journal,
        credentials=Credentials(Access(stores.keys, stores.orgs, clock)),
        clock=clock,
        approvals=stores.approvals,
        projections=stores.projections,
        trees=stores.trees,
        limits=StreamLimits(**numbers),
    )
    async with (
        asyncio.timeout(HANG_SECONDS),
        serving(build(parts)) as url,
        httpx.AsyncClient(base_url=url, timeout=HANG_SECONDS) as client,
    ):
        yield Product(url, stores, client, clock)


@pytest.fixture
async def on(database: Database) -> AsyncIterator[Product]:
    async with product(database) as made:
        yield made


def seqs(events: list[dict[str, Any]]) -> list[int]:
    return [event["seq"] for event in events]


# The document's own commands


async def test_the_latest_20_events_for_a_specific_agent_as_printed(on: Product) -> None:
    on.key("acme")
    for _ in range(30):
        on.seal("acme", 1, agent_id=AGENT)
        on.seal("acme", 1, agent_id="agt_other")
    on.project("acme")
    found = await on.curl(
        'curl -H "Authorization: Bearer $GOVRIX_API_KEY" \\\n'
        '"http://localhost:4001/api/v1/events?limit=20&agent_id=agt_01hx9z2k3mq4n5p6r7s8t9u0v"'
    )
    assert seqs(found) == list(range(59, 19, -2))
    assert {event["agent_id"] for event in found} == {AGENT}


async def test_a_single_event_as_printed(on: Product) -> None:
    headers = on.key("acme")
    on.seal("acme", 3, model="gpt-4o", prompt_tokens=512)
    listed = await on.get(LIST, headers)
    found = await on.curl(
        'curl -H "Authorization: Bearer $GOVRIX_API_KEY" \\\n'
        f"http://localhost:4001/api/v1/events/{listed[1]['id']}"
    )
    assert found == listed[1]
    assert (found["seq"], found["model"], found["prompt_tokens"]) == (2, "gpt-4o", 512)


async def test_a_session_as_printed(on: Product) -> None:
    on.key("acme")
    for second in (2, 0, 1):
        on.seal("acme", session_id=SESSION, timestamp=f"2026-03-05T14:20:0{second}.000Z")
        on.seal("acme", session_id="ses_other")
    found = await on.curl(
        'curl -H "Authorization: Bearer $GOVRIX_API_KEY" \\\n'
        "http://localhost:4001/api/v1/events/sessions/ses_07pa5f8q9tw0u1v2x3y4z5a6b"
    )
    assert seqs(found) == [3, 5, 1]
    assert [event["timestamp"][17:19] for event in found] == ["00", "01", "02"]


async def test_the_documented_404(on: Product) -> None:
    headers = on.key("acme")
    response = await on.client.get(f"{LIST}/evt_03kz1b4m5os6p7r8t9u0v2x3y", headers=headers)
    assert (response.status_code, response.json()) == (404, {"error": "event not found"})


# Pages


async def test_pages_follow_each_other(on: Product) -> None:
    headers = on.key("acme")
    on.seal("acme", 70, 50)
    assert seqs(await on.get(LIST, headers)) == list(range(120, 70, -1))
    assert seqs(await on.get(f"{LIST}?offset=100", headers)) == list(range(20, 0, -1))
    assert seqs(await on.get(f"{LIST}?limit=2&before=71", headers)) == [70, 69]
    assert await on.get(f"{LIST}?offset=120", headers) == []


async def test_the_filters_and_cursors_of_streams(on: Product) -> None:
    headers = on.key("acme")
    on.seal("acme", 2, action="deny", server_id="git")
    on.seal("acme", 2, type="anomaly", anomaly_type="rate_spike")
    on.seal("acme", 2, session_id="s")
    for query, expected in [
        ("action=deny", [2, 1]),
        ("server_id=git&after=1", [2]),
        ("types=anomaly", [4, 3]),
        ("types=anomaly,tool_call&limit=3&offset=1", [5, 4, 3]),
        ("session_id=s", [6, 5]),
        ("since=4", [6, 5]),
        ("since=2026-01-01T00:00:00Z&limit=1", [6]),
    ]:
        assert seqs(await on.get(f"{LIST}?{query}", headers)) == expected, query
    session = f"{LIST}/sessions/s"
    assert seqs(await on.get(session, headers)) == [5, 6]
    assert seqs(await on.get(f"{session}?from=2100-01-01", headers)) == []
    assert await on.get(f"{session}?action=deny", headers) == []


@pytest.mark.parametrize(
    "path",
    [
        *(f"{LIST}?limit={value}" for value in ("0", "1001", "ten", "-1", "1&limit=2")),
        *(f"{LIST}?{query}" for query in ("offset=-1", "before=x", "types=all", "action=no")),
        *(f"{LIST}?{query}" for query in ("after=9", "since=tomorrow", "after=0&since=0")),
        *(f"{LIST}?{query}" for query in ("from=x", "order=up", "model=", "models=gpt", "_=1")),
        *(f"{LIST}/evt_1?{query}" for query in ("limit=1", "verify", "=")),
        f"{LIST}/sessions/s?limit=5",
        f"{AGENTS}/a/events?agent_id=b",
        f"{AGENTS}/a/events?sort=up",
        f"{LIST}/sessions/s?session_id=t",
        f"{LIST}/sessions/",
        f"{LIST}/sessions/{'x' * 257}",
    ],
)
async def test_a_list_that_is_not_understood_is_400(on: Product, path: str) -> None:
    response = await on.client.get(path, headers=on.key("acme"))
    assert response.status_code == 400
    assert response.json()["error"]


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("filter", ["", "agent_id=a%2Fb&", "types=tool_call&model=m%26&"])
async def test_links_lead_through_all_pages(on: Product, order: str, filter: str) -> None:
    headers = on.key("acme")
    for place in range(9):
        on.seal("acme", 3, agent_id="a/b", model="m&", type=["tool_call", "audit"][place % 2])
    everything = seqs(await on.get(f"{LIST}?{filter}limit=1000&order={order}", headers))
    for begin in (
        f"{LIST}?{filter}",
        f"{AGENTS}/a%2Fb/events?{filter.replace('agent_id', 'type')}",
    ):
        if "type=a" in begin:
            begin = f"{AGENTS}/a%2Fb/events?"
        url: str | None = f"{begin}limit=4&order={order}"
        seen: list[int] = []
        while url:
            response = await on.client.get(url, headers=headers)
            seen += seqs(response.json())
            url = response.links.get("next", {}).get("url")
        assert seen == everything


async def test_offset_counts_from_the_first_page_only(on: Product) -> None:
    headers = on.key("acme")
    on.seal("acme", 9)
    response = await on.client.get(f"{LIST}?offset=2&limit=3&since=1", headers=headers)
    assert seqs(response.json()) == [7, 6, 5]
    assert response.headers["link"] == f'<{LIST}?limit=3&since=1&before=5>; rel="next"'
    response = await on.client.get(LIST + "?offset=2&limit=3&since=1&order=asc", headers=headers)
    assert seqs(response.json()) == [4, 5, 6]
    assert response.headers["link"] == f'<{LIST}?limit=3&order=asc&after=6>; rel="next"'
    response = await on.client.get(f"{LIST}?limit=9", headers=headers)
    assert "link" not in response.headers


async def test_events_by_what_they_say(on: Product) -> None:
    headers = on.key("acme")
    on.seal("acme", tool_name="exec", action="deny", timestamp="2026-02-28T23:59:59.999Z")
    on.seal("acme", tool_name="exec", action="deny", timestamp="2026-02-01T00:00:00.000Z")
    on.seal("acme", tool_name="exec", action="ask", trace_id="t", user_id="u", provider="p")
    last_month = "from=2026-02-01T00:00:00Z&to=2026-03-01T00:00:00Z"
    for query, expected in [
        (f"action=deny&tool_name=exec&{last_month}", [2, 1]),
        (f"{last_month}&order=asc&limit=1", [1]),
        ("to=2026-02-01T00:00:00.000Z", []),
        ("action=ask&trace_id=t&user_id=u&provider=p&type=tool_call", [3]),
    ]:
        assert seqs(await on.get(f"{LIST}?{query}", headers)) == expected, query


async def test_all_reports_of_a_call(on: Product) -> None:
    headers = on.key("acme")
    call, answer = "toolu_01A09q90qw90lq917835lq9", "chatcmpl-9q90qw90lq917835"
    on.seal("acme", tool_call_id=call, agent_id="hook")
    on.seal("acme", tool_call_id="other")
    on.seal("acme", tool_call_id=call, agent_id="exporter", type="vendor.x")
    on.seal("acme", type="completion", metadata={"response_id": answer})
    assert seqs(await on.get(f"{LIST}?call_id={call}", headers)) == [3, 1]
    assert seqs(await on.get(f"{LIST}?call_id={call}&agent_id=hook", headers)) == [1]
    assert seqs(await on.get(f"{AGENTS}/exporter/events?call_id={call}", headers)) == [3]
    assert seqs(await on.get(f"{LIST}?call_id={answer}", headers)) == [4]
    assert seqs(await on.get(f"{LIST}?call_id=nobody", headers)) == []


async def test_ids_with_every_character_are_found(on: Product) -> None:
    headers = on.key("acme")
    name = "a/b c?d=é&e%2F"
    on.seal("acme", session_id=name, agent_id=name)
    quoted = "a%2Fb%20c%3Fd%3D%C3%A9%26e%252F"
    assert seqs(await on.get(f"{LIST}/sessions/{quoted}", headers)) == [1]
    assert seqs(await on.get(f"{LIST}?agent_id={quoted}", headers)) == [1]
    assert seqs(await on.get(f"{AGENTS}/{quoted}/events", headers)) == [1]


@pytest.mark.parametrize(
    "path", [LIST, f"{LIST}/evt_1", f"{LIST}/sessions/s", f"{AGENTS}/a/events"]
)
async def test_every_route_wants_a_key_and_reads_only(on: Product, path: str) -> None:
    headers = on.key("acme")
    ingest = on.key("acme", scopes=frozenset({Scope.INGEST}))
    accept = {"Accept": "application/json"}
    refused = await on.client.get(path, headers=accept)
    assert (refused.status_code, "www-authenticate" in refused.headers) == (401, True)
    in_query = await on.client.get(f"{path}?token={on.tokens['acme']}", headers=accept)
    assert in_query.status_code == 401  # a key in the URL is for streams alone
    assert (await on.client.get(path, headers=ingest)).status_code == 403
    posted = await on.client.post(path, headers=headers)
    assert (posted.status_code, posted.headers["allow"]) == (405, "GET, HEAD")


async def test_an_allow_list_binds_every_route(database: Database) -> None:
    allowed = frozenset({"tool_call", "anomaly"})
    async with product(database, allowed_types=allowed) as on:
        everything = on.key("acme")
        anomalies = on.key("acme", types=frozenset({"anomaly", "custom"}))
        for type in ("tool_call", "anomaly", "custom"):
            on.seal("acme", 1, type=type, session_id="s")
        on.project("acme")
        for headers, visible in [(everything, [2, 1]), (anomalies, [2])]:
            listed = await on.get(LIST, headers)
            assert seqs(listed) == visible
            assert seqs(await on.get(f"{LIST}?session_id=s", headers)) == visible
            assert seqs(await on.get(f"{LIST}/sessions/s", headers)) == visible[::-1]
        hidden = (await on.get(LIST, everything))[1]["id"]
        response = await on.client.get(f"{LIST}/{hidden}", headers=anomalies)
        assert (response.status_code, response.json()) == (404, {"error": "event not found"})
        refused = await on.client.get(f"{LIST}?types=custom", headers=anomalies)
        assert refused.status_code == 403


# Two orgs


async def test_nothing_of_another_org_is_found_or_told_apart(on: Product) -> None:
    acme, beta = on.key("acme"), on.key("beta")
    on.seal("acme", 3, session_id=SESSION, agent_id=AGENT)
    on.seal("beta", 1, session_id="ses_beta", agent_id="agt_beta")
    on.project("acme", "beta")
    theirs, ours = (await on.get(LIST, acme))[0]["id"], (await on.get(LIST, beta))[0]["id"]
    nobodys = ours[:-3] + "zzz"
    for there, nowhere in [
        (f"/{theirs}", f"/{nobodys}"),
        (f"/sessions/{SESSION}", "/sessions/ses_nobodys"),
        (f"?session_id={SESSION}", "?session_id=ses_nobodys"),
        (f"?agent_id={AGENT}", "?agent_id=agt_nobodys"),
        (f"?since={theirs}", f"?since={nobodys}"),
    ]:
        found = [await on.client.get(LIST + path, headers=beta) for path in (there, nowhere)]
        assert found[0].content == found[1].content
        assert found[0].status_code == found[1].status_code
        assert found[0].headers.keys() == found[1].headers.keys()
        assert found[0].status_code in (200, 400, 404)
        assert found[0].json() == [] or "error" in found[0].json()
    assert seqs(await on.get(LIST, beta)) == [1]


async def test_another_orgs_id_costs_what_nobodys_costs(on: Product) -> None:
    on.seal("acme", 3, session_id=SESSION)
    on.seal("beta", 1)
    on.project("acme", "beta")
    theirs = (await on.get(LIST, on.key("acme")))[0]["id"]
    asked: list[str] = []
    ledger = on.stores.ledger

    class Asked:
        def __getattr__(self, name: str) -> Any:
            asked.append(name)
            return getattr(ledger, name)

    costs = []
    for id in (theirs, theirs[:-3] + "zzz"):
        asked.clear()
        with pytest.raises(Exception, match="event not found"):
            selection.by_id(Past(Asked(), on.stores.journal, "beta"), id, Filter())
        costs.append(list(asked))
    assert costs[0] == costs[1] == ["first_seqs"]


# Long answers, and those that can't be ended


async def test_a_long_session_comes_whole_and_in_pieces(database: Database) -> None:
    async with product(database) as on:
        headers = on.key("acme")
        for _ in range(12):
            on.seal("acme", 250, session_id="s", metadata={"text": "x" * 1_000})
        async with on.client.stream("GET", f"{LIST}/sessions/s", headers=headers) as response:
            assert "content-length" not in response.headers
            pieces = [piece async for piece in response.aiter_raw()]
        assert len(pieces) > 4
        assert seqs(json.loads(b"".join(pieces))) == list(range(1, 3_001))


async def test_what_was_changed_before_is_500_and_later_breaks_the_answer_off(on: Product) -> None:
    async with stage() as staged:
        tenant = staged.tenant
        tenant.add(1, session_id="s")
        for _ in range(20):
            tenant.add(100, session_id="t", metadata={"text": "x" * 1_000})
        change(tenant, 1)
        headers = KEY | {"Accept": "application/json"}
        refused = await staged.client.get(f"{LIST}/sessions/s", headers=headers)
        assert (refused.status_code, "seq 1" in refused.json()["error"]) == (500, True)
        change(tenant, 1_101)
        with pytest.raises(httpx.TransportError):
            await staged.client.get(f"{LIST}?limit=1000", headers=headers)
        whole = await staged.client.get(f"{LIST}?limit=100", headers=headers)
        assert len(whole.json()) == 100


async def test_a_client_that_leaves_its_list_gives_the_place_back() -> None:
    async with stage() as on:
        for _ in range(30):
            on.tenant.add(200, session_id="s", metadata={"text": "x" * 1_000})
        headers = KEY | {"Accept": "application/json"}
        for _ in range(40):  # more than there are places
            async with on.client.stream("GET", f"{LIST}/sessions/s", headers=headers) as response:
                assert response.status_code == 200


async def test_a_client_that_takes_nothing_is_given_up() -> None:
    async with stage(stall_seconds=0.3) as on:
        for _ in range(60):
            on.tenant.add(200, session_id="s", metadata={"text": "x" * 1_000})
        client = socket.create_connection((on.client.base_url.host, on.client.base_url.port or 0))
        with closing(client):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(
                f"GET {LIST}/sessions/s HTTP/1.1\r\nHost: t\r\n".encode()
                + b"Authorization: Bearer acme\r\n\r\n"
            )
            broken, loop = select.poll(), asyncio.get_running_loop()
            broken.register(client, select.POLLERR | select.POLLHUP)
            assert await loop.run_in_executor(None, broken.poll, 20_000), "still open"


async def test_too_many_lists_at_once_are_told_to_wait() -> None:
    async with stage() as on:
        for _ in range(30):
            on.tenant.add(200, session_id="s", metadata={"text": "x" * 1_000})
        headers = KEY | {"Accept": "application/json"}
        answers = await asyncio.gather(
            *(on.client.get(f"{LIST}/sessions/s", headers=headers) for _ in range(24))
        )
        statuses = [answer.status_code for answer in answers]
        assert set(statuses) == {200, 429}
        assert statuses.count(200) >= 16
        refused = answers[statuses.index(429)]
        assert "lists" in refused.json()["error"]
        assert "retry-after" in refused.headers
        assert (await on.client.get(LIST, headers=headers)).status_code == 200


async def test_what_a_stream_shows_a_list_shows(on: Product) -> None:
    headers = on.key("acme")
    on.seal("acme", 2, metadata={"nested": [1, {"a": None}], "text": "é\u2028"}, cost_usd=0.25)
    async with on.client.stream("GET", f"{GOVRIX}?after=0", headers=headers) as response:
        data = b""
        async for chunk in response.aiter_raw():
            data += chunk
            if len(messages := decode(data)) == 2:
                break
    listed = await on.get(LIST, headers)
    for message, fields in zip(messages, reversed(listed), strict=True):
        assert fields.items() >= message.fields.items()
