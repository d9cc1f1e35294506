"""SignIns, tickets and CORS over HTTP: uvicorn and DynamoDB's API for real, events in memory."""

import asyncio
import json
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, replace
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as ASGIScope

from fakes.broker import FakeBroker
from fakes.parts import stream_parts
from fakes.stores import FakeClock
from fakes.tenant import Tenant
from functions.stream.app import build
from integration.test_stream import GOVRIX, IGRIS, Watcher
from integration.test_stream_dialects import KAVACH, RAMPART, ROUTES, UNAUTHORIZED, wait_for_reset
from support.databases import Database, Stores
from support.server import serving
from support.streams import decode
from support.waiting import HANG_SECONDS
from tocsin.domain import org as domain
from tocsin.domain.keys import ApiKey, Scope, mint
from tocsin.domain.passes import Kind, claim
from tocsin.services.access.access import Access
from tocsin.services.access.presented import Credentials
from tocsin.services.access.sign_ins import SignIns
from tocsin.services.access.tickets import Tickets
from tocsin.services.signing_in.everywhere import Everywhere
from tocsin.services.signing_in.signing import Signing
from tocsin.web.cors import Cors
from tocsin.web.options import HttpOptions
from tocsin.wire import channel

pytestmark = pytest.mark.anyio
TICKETS = "/v1/stream-tickets"
DASHBOARD, EVIL = "https://dashboard.example", "https://evil.example"
EVENT_STREAM = {"Accept": "text/event-stream"}
PUBLIC = {"Host": "tocsin.example"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def stores(database: Database) -> Stores:
    return database.stores()[0]


class Org:
    """An org of its own in each test, on tables that are made once."""

    made = 0

    def __init__(self, stores: Stores, broker: FakeBroker, shared: Tenant | None = None) -> None:
        Org.made += 1
        self.stores, self.broker = stores, broker
        self.tenant = Tenant(f"org-{Org.made}-{time.time_ns()}")
        if shared:
            self.tenant.ledger, self.tenant.journal = shared.ledger, shared.journal
        self.tenant.clock = FakeClock(time.time_ns() // 1_000_000)  # the tables' own is like it
        self.token, self.key = self.new_key()

    def new_key(self, scope: Scope = Scope.READ, **fields: Any) -> tuple[str, ApiKey]:
        token, key = mint(self.tenant.org, frozenset({scope}), "test", 1)
        self.stores.keys.put(replace(key, **fields))
        return token, key

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def seal(self, count: int = 1, **fields: object) -> None:
        self.broker.publish(self.tenant.org, channel.encode(self.tenant.add(count, **fields)))

    def revoke(self) -> None:
        self.stores.keys.put(self.key.revoked(self.tenant.clock.ms))


@dataclass
class Service:
    """A stream service, as one process has it, and a client without a cookie jar."""

    org: Org
    clock: FakeClock
    client: httpx.AsyncClient
    signing: Signing

    async def cookie(self, org: Org | None = None, *, public: bool = False) -> dict[str, str]:
        """Sign in at the API; return the header that a browser sends from then on."""
        opened = await asyncio.to_thread(self.signing.open, (org or self.org).key)
        return cookie_header(opened.token, public=public)

    async def sign_out(self, cookie: dict[str, str]) -> None:
        """Sign out at the API, and let the time pass in which this process may not know of it."""
        await asyncio.to_thread(self.signing.close, cookie["Cookie"].partition("=")[2])
        self.clock.ms += 30_000

    async def ticket(self, **headers: str) -> str:
        answer = await self.client.post(TICKETS, headers=headers or self.org.bearer)
        assert answer.status_code == 201, answer.text
        assert answer.json()["expires_in"] == 60
        return str(answer.json()["ticket"])


def cookie_header(token: str, *, public: bool = False) -> dict[str, str]:
    return {"Cookie": f"{'__Host-' if public else ''}tocsin_session={token}"}


HTTP = {each.name for each in fields(HttpOptions)}


@asynccontextmanager
async def service(
    stores: Stores,
    org: Org | None = None,
    *,
    access_log: bool = False,
    beside: Callable[[ASGIApp, Org], ASGIApp] = lambda app, _: app,
    **numbers: Any,
) -> AsyncIterator[Service]:
    """Serve, ``beside`` what else may be at the same address."""
    org = org or Org(stores, FakeBroker())
    clock = org.tenant.clock
    access = Access(stores.keys, stores.orgs, clock)
    credentials = Credentials(
        access, SignIns(stores.passes, access, clock), Tickets(stores.passes, access, clock)
    )
    at_api = Access(stores.keys, stores.orgs, clock)
    signing = Signing(
        SignIns(stores.passes, at_api, clock),
        at_api,
        stores.passes,
        stores.sign_in_writes,
        clock,
        3_600,
    )
    given: dict[str, Any] = {"allowed_origins": frozenset({DASHBOARD})} | numbers
    http = HttpOptions(**{name: given.pop(name) for name in HTTP & given.keys()})
    parts: dict[str, Any] = {"feed": org.broker, "heartbeat_seconds": 3_600.0} | given
    app = build(stream_parts(org.tenant, credentials, **parts), http)
    async with (
        asyncio.timeout(HANG_SECONDS),
        serving(beside(app, org), access_log=access_log) as url,
        httpx.AsyncClient(
            base_url=url, timeout=HANG_SECONDS, cookies=NoCookies(), transport=Patient()
        ) as client,
    ):
        yield Service(org, clock, client, signing)


class Patient(httpx.AsyncHTTPTransport):
    """Asks again where the store took more than its 10 seconds: a slow machine is no fault."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        while (response := await super().handle_async_request(request)).status_code == 503:
            await response.aclose()
        return response


class NoCookies(httpx.Cookies):
    """A jar that keeps nothing, so that a test sees which cookie it sends."""

    def extract_cookies(self, response: httpx.Response) -> None:
        pass


@pytest.fixture
async def on(stores: Stores) -> AsyncIterator[Service]:
    async with service(stores) as made:
        yield made


@asynccontextmanager
async def watching(on: Service, path: str, **headers: str) -> AsyncIterator[Watcher]:
    headers = {"Accept": "text/event-stream"} | headers
    async with on.client.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        yield Watcher(response)


async def refused(on: Service, path: str, **headers: str) -> bool:
    """Whether a stream is refused as its dialect does it for want of a valid credential."""
    response = await on.client.get(path, headers={"Accept": "text/event-stream"} | headers)
    if path.startswith(KAVACH):
        (message,) = decode(response.content)
        return (response.status_code, message.fields) == (200, UNAUTHORIZED)
    return response.status_code == 401


# Tickets are for those who may read


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer x"},
        {"Cookie": "tocsin_session=x"},
        {"Cookie": "__Host-tocsin_session=x"},
    ],
)
async def test_without_a_credential_there_is_no_ticket(
    on: Service, headers: dict[str, str]
) -> None:
    answer = await on.client.post(TICKETS, headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]


async def test_a_key_that_may_not_read_gets_no_ticket(on: Service) -> None:
    token, _ = on.org.new_key(Scope.INGEST)
    answer = await on.client.post(TICKETS, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403


async def test_other_methods_are_refused(on: Service) -> None:
    assert (await on.client.get(TICKETS)).status_code == 405


async def test_only_this_machine_s_cookie_is_good_without_tls(on: Service) -> None:
    plain = await on.cookie()
    assert (await on.client.post(TICKETS, headers=plain)).status_code == 201
    assert (await on.client.post(TICKETS, headers=PUBLIC | plain)).status_code == 401


# SignIns on streams


@pytest.mark.parametrize("path", ROUTES)
async def test_a_session_opens_every_stream(on: Service, path: str) -> None:
    on.org.seal(2)
    async with watching(on, f"{path}?after=1", **await on.cookie()) as watcher:
        while watcher.decoder.last_event_id != "2":
            assert await watcher.read()


@pytest.mark.parametrize("path", ROUTES)
async def test_a_bad_session_is_refused_as_the_dialect_says(on: Service, path: str) -> None:
    assert await refused(on, path, Cookie="tocsin_session=tocsin-session_acme_0")


async def test_the_header_and_the_token_win_over_the_cookie(on: Service) -> None:
    cookie = await on.cookie()
    assert await refused(on, GOVRIX, Authorization="Bearer x", **cookie)
    assert await refused(on, f"{GOVRIX}?token=x", **cookie)


async def test_a_revoked_key_ends_its_sign_ins_streams_and_no_other(stores: Stores) -> None:
    async with service(stores, recheck_seconds=0.05) as on:
        other, other_key = on.org.new_key()
        cookie, ticket = await on.cookie(), await on.ticket()
        async with (
            watching(on, GOVRIX, **cookie) as by_session,
            watching(on, f"{GOVRIX}?token={ticket}") as by_ticket,
            watching(on, GOVRIX, Authorization=f"Bearer {other}") as by_other,
        ):
            on.org.revoke()
            on.clock.ms += 30_000  # as long as a key is remembered
            for watcher in (by_session, by_ticket):
                (message,) = decode(await watcher.to_the_end())
                assert message.fields["code"] == "UNAUTHORIZED"
            on.org.seal()
            assert await by_other.until(1) == [1]
        assert await refused(on, GOVRIX, **cookie)
        assert other_key.org == on.org.tenant.org


async def test_a_suspended_orgs_streams_end_and_no_other_orgs(stores: Stores) -> None:
    async with service(stores, recheck_seconds=0.05) as on:
        id = on.org.tenant.org
        stores.orgs.put(domain.Org(id))
        stores.orgs.put(domain.Org(f"{id}-2", status=domain.OrgStatus.SUSPENDED))
        cookie, ticket, unused = await on.cookie(), await on.ticket(), await on.ticket()
        async with (
            watching(on, GOVRIX, **on.org.bearer) as by_key,
            watching(on, GOVRIX, **cookie) as by_session,
            watching(on, f"{GOVRIX}?token={ticket}") as by_ticket,
        ):
            on.org.seal()
            for watcher in (by_key, by_session, by_ticket):
                assert await watcher.until(1) == [1]
            stores.orgs.put(domain.Org(id, status=domain.OrgStatus.SUSPENDED))
            on.clock.ms += 30_000  # as long as an org is remembered
            for watcher in (by_key, by_session, by_ticket):
                message = decode(await watcher.to_the_end())[-1]
                assert "is suspended" in json.dumps(message.fields)
        for url, sent in (
            (GOVRIX, on.org.bearer),
            (GOVRIX, cookie),
            (f"{GOVRIX}?token={unused}", {}),
        ):
            answer = await on.client.get(url, headers=sent)
            assert (answer.status_code, answer.json()["code"]) == (403, "ORG_SUSPENDED")
        stores.orgs.put(domain.Org(id))
        on.clock.ms += 30_000
        async with watching(on, f"{GOVRIX}?after=0", **on.org.bearer) as again:
            assert await again.until(1) == [1]


@pytest.mark.parametrize("how", ["signing out", "time"])
async def test_a_session_s_end_ends_its_streams(stores: Stores, how: str) -> None:
    async with service(stores, recheck_seconds=0.05) as on:
        cookie, other = await on.cookie(), await on.cookie()
        async with watching(on, GOVRIX, **cookie) as watcher:
            if how == "time":
                on.clock.ms += 3_600_000
            else:
                await on.sign_out(cookie)
            (message,) = decode(await watcher.to_the_end())
            assert message.fields["code"] == "UNAUTHORIZED"
        assert await refused(on, GOVRIX, **cookie)
        ticket = await on.client.post(TICKETS, headers=other)
        assert ticket.status_code == (401 if how == "time" else 201)


async def test_signing_out_everywhere_ends_what_sign_ins_opened_and_not_what_the_key_did(
    stores: Stores,
) -> None:
    async with service(stores, recheck_seconds=0.05) as on:
        cookie, phone = await on.cookie(), await on.cookie()
        of_cookie, of_key = await on.ticket(**phone), await on.ticket()
        unused, access = await on.ticket(**phone), Access(stores.keys, stores.orgs, on.clock)
        everywhere = Everywhere(
            SignIns(stores.passes, access, on.clock),
            access,
            stores.keys,
            stores.key_ring,
            on.clock,
        )
        async with (
            watching(on, GOVRIX, **phone) as by_cookie,
            watching(on, f"{GOVRIX}?token={of_cookie}") as by_ticket,
            watching(on, f"{GOVRIX}?token={of_key}") as by_the_key_s,
            watching(on, GOVRIX, **on.org.bearer) as by_key,
        ):
            token = cookie["Cookie"].partition("=")[2]
            await asyncio.to_thread(everywhere.of_sign_in, token)
            again = await on.cookie()
            on.clock.ms += 30_000
            for watcher in (by_cookie, by_ticket):
                (message,) = decode(await watcher.to_the_end())
                assert message.fields["code"] == "UNAUTHORIZED"
            on.org.seal()
            for watcher in (by_the_key_s, by_key):
                assert await watcher.until(1) == [1]
        assert await refused(on, f"{GOVRIX}?token={unused}")
        fresh = await on.ticket(**again)
        async with watching(on, f"{GOVRIX}?after=0&token={fresh}") as watcher:
            assert await watcher.until(1) == [1]


async def test_a_stream_ends_when_another_org_is_made_active_and_shows_nothing_of_it(
    stores: Stores,
) -> None:
    async with service(stores, recheck_seconds=0.05) as on:
        theirs = Org(stores, on.org.broker, on.org.tenant)
        first = on.signing.open(theirs.key)
        both = on.signing.add(first.token, on.org.key)
        cookie = cookie_header(both.token)
        async with watching(on, GOVRIX, **cookie) as watcher:
            on.org.seal(agent_id="ours")
            assert await watcher.until(1) == [1]
            switched = cookie_header(on.signing.switch(both.token, theirs.tenant.org).token)
            theirs.seal(2, agent_id="theirs")
            async with watching(on, f"{GOVRIX}?after=0", **switched) as there:  # at once
                assert await there.until(2) == [1, 2]
                assert b"ours" not in there.data
            on.clock.ms += 30_000
            await watcher.to_the_end()
            assert b"theirs" not in watcher.data
            assert b"UNAUTHORIZED" in watcher.data
        for over in (cookie_header(first.token), cookie):
            assert await refused(on, GOVRIX, **over)


async def test_another_org_s_cursor_is_ahead_or_one_of_the_active_org_s(stores: Stores) -> None:
    async with service(stores) as on:
        theirs = Org(stores, on.org.broker, on.org.tenant)
        on.org.seal(5, agent_id="ours")
        theirs.seal(2, agent_id="theirs")
        both = on.signing.add(on.signing.open(on.org.key).token, theirs.key)
        cookie = cookie_header(both.token)
        answer = await on.client.get(f"{IGRIS}?after=4&limit=9", headers=cookie)
        assert answer.status_code == 400
        assert "ahead of the ledger" in answer.json()["error"]
        answer = await on.client.get(f"{IGRIS}?after=1&limit=9", headers=cookie)
        assert [each["agent_id"] for each in answer.json()] == ["theirs"]


async def test_a_revoked_key_leaves_the_sign_in_s_other_orgs(stores: Stores) -> None:
    async with service(stores, recheck_seconds=0.05) as on:
        theirs = Org(stores, on.org.broker, on.org.tenant)
        both = on.signing.add(on.signing.open(theirs.key).token, on.org.key)
        async with watching(on, GOVRIX, **cookie_header(both.token)) as watcher:
            on.org.revoke()
            on.clock.ms += 30_000
            await watcher.to_the_end()
        answer = await on.client.post(TICKETS, headers=cookie_header(both.token))
        assert (answer.status_code, answer.json()["orgs"]) == (401, [theirs.tenant.org])
        left = on.signing.switch(both.token, theirs.tenant.org)
        async with watching(on, GOVRIX, **cookie_header(left.token)):
            pass


# Which pages may use the cookie


@pytest.mark.parametrize(
    ("headers", "may"),
    [
        ({}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://tocsin.example"}, True),
        ({"Origin": DASHBOARD, "Sec-Fetch-Site": "cross-site"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}, False),
        ({"Origin": EVIL}, False),
        ({"Origin": "null"}, False),
    ],
)
async def test_the_cookie_is_good_for_allowed_pages_only(
    on: Service, headers: dict[str, str], may: bool
) -> None:
    cookie = await on.cookie()
    for path in ROUTES:
        response = await on.client.head(path, headers=cookie | headers | EVENT_STREAM)
        assert response.status_code == (200 if may else 403)
    answer = await on.client.post(TICKETS, headers=cookie | headers)
    assert answer.status_code == (201 if may else 403)


async def test_a_key_or_ticket_is_good_from_anywhere(on: Service) -> None:
    evil = {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}
    assert (await on.client.head(GOVRIX, headers=on.org.bearer | evil)).status_code == 200
    ticket = await on.ticket()
    assert (await on.client.head(f"{GOVRIX}?token={ticket}", headers=evil)).status_code == 200


# Tickets


@pytest.mark.parametrize("path", ROUTES)
async def test_a_ticket_opens_one_stream(on: Service, path: str) -> None:
    on.org.seal()
    url = f"{path}?after=0&token={await on.ticket()}"
    async with watching(on, url) as watcher:
        while watcher.decoder.last_event_id != "1":
            assert await watcher.read()
        assert await refused(on, url)
    assert await refused(on, url)


@pytest.mark.parametrize("path", ROUTES)
async def test_a_ticket_is_good_for_a_minute(on: Service, path: str) -> None:
    url = f"{path}?token={await on.ticket()}"
    on.clock.ms += 60_000
    assert await refused(on, url)


async def test_of_many_uses_at_once_in_two_processes_one_wins(stores: Stores) -> None:
    async with service(stores) as on, service(stores, on.org) as there:
        for _ in range(5):
            url = f"{GOVRIX}?token={await on.ticket()}"
            uses = [each.client.head(url) for each in (on, there) for _ in range(8)]
            statuses = [response.status_code for response in await asyncio.gather(*uses)]
            assert sorted(statuses) == [200] + [401] * 15


async def test_a_session_gets_tickets(on: Service) -> None:
    ticket = await on.ticket(**await on.cookie())
    async with watching(on, f"{RAMPART}?token={ticket}"):
        pass


async def test_tickets_work_where_keys_in_the_query_are_switched_off(stores: Stores) -> None:
    async with service(stores, token_in_query=False) as on:
        assert await refused(on, f"{GOVRIX}?token={on.org.token}")
        async with watching(on, f"{GOVRIX}?token={await on.ticket()}"):
            pass


async def test_a_ticket_is_for_the_query_of_streams_only(on: Service) -> None:
    ticket = await on.ticket()
    bearer = {"Authorization": f"Bearer {ticket}"}
    assert (await on.client.get(GOVRIX, headers=bearer)).status_code == 401
    assert (await on.client.post(TICKETS, headers=bearer)).status_code == 401
    assert (await on.client.post(f"{TICKETS}?token={ticket}")).status_code == 400
    async with watching(on, f"{GOVRIX}?token={ticket}"):
        pass


async def test_a_ticket_shows_what_its_key_may_see(on: Service) -> None:
    token, _ = on.org.new_key(types=frozenset({"anomaly"}))
    ticket = await on.ticket(Authorization=f"Bearer {token}")
    for type in ("tool_call", "anomaly", "tool_call", "anomaly"):
        on.org.seal(type=type)
    async with watching(on, f"{GOVRIX}?after=0&token={ticket}") as watcher:
        assert await watcher.until(4) == [2, 4]


async def test_sign_ins_and_tickets_take_seats(stores: Stores) -> None:
    for limit in ("max_streams_per_org", "max_streams_per_key"):
        numbers: dict[str, Any] = {limit: 2}
        async with service(stores, **numbers) as on:
            cookie, ticket = await on.cookie(), await on.ticket()
            url = f"{GOVRIX}?token={ticket}"
            async with watching(on, GOVRIX, **cookie), watching(on, url):
                for headers in (cookie, on.org.bearer):
                    assert (await on.client.get(GOVRIX, headers=headers)).status_code == 429
            while (await on.client.head(GOVRIX, headers=cookie)).status_code == 429:
                pass


async def test_no_secret_reaches_a_log(
    stores: Stores, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    async with service(stores, access_log=True) as on:
        cookie, ticket, used = await on.cookie(), await on.ticket(), await on.ticket()
        for path in ROUTES:
            for token in (ticket, used, ticket):
                await on.client.head(f"{path}?token={token}&types=nope")
                await on.client.get(f"{path}?token={token}&types=nope", headers=cookie)
        secrets = [cookie["Cookie"], ticket, used, on.org.token]
    said = [each.getMessage() for each in caplog.records if not each.name.startswith("http")]
    output = capfd.readouterr()
    assert len([line for line in said if "types=nope" in line]) == 24
    for secret in secrets:
        assert secret.rpartition("_")[2] not in "".join(said) + output.out + output.err


# Two orgs


async def test_an_org_sees_nothing_of_another_by_session_or_ticket(stores: Stores) -> None:
    async with service(stores) as on:
        ours, theirs = on.org, Org(stores, on.org.broker, on.org.tenant)
        theirs.seal(3, agent_id="theirs")
        ours.seal(agent_id="ours")
        for path in ROUTES:
            ticket, cookie = await on.ticket(), await on.cookie()
            for url, headers in [
                (f"{path}?after=0&token={ticket}", {}),
                (f"{path}?after=0", cookie),
            ]:
                async with watching(on, url, **headers) as watcher:
                    while watcher.decoder.last_event_id != "1":
                        assert await watcher.read()
                    assert b"theirs" not in watcher.data
            refused = await on.client.get(f"{path}?org={theirs.tenant.org}", headers=cookie)
            assert refused.status_code == 400  # nobody says whose events they want


async def test_forged_orgs_and_swapped_ids_open_nothing(on: Service, stores: Stores) -> None:
    theirs = Org(stores, on.org.broker, on.org.tenant)
    our_cookie = (await on.cookie())["Cookie"]
    our_ticket, their_ticket = await on.ticket(), await on.ticket(**theirs.bearer)
    their_cookie = (await on.cookie(theirs))["Cookie"]
    our, their = f"_{on.org.tenant.org}_", f"_{theirs.tenant.org}_"
    forged_cookies = [
        our_cookie.replace(our, their),
        their_cookie.replace(their, our),
        our_cookie.rpartition("_")[0] + "_" + their_cookie.rpartition("_")[2],
        f"tocsin_session={our_ticket}",
        f"tocsin_session={on.org.token}",
        our_cookie.replace(our, "_"),
        our_cookie.replace(our, f"{our}{theirs.tenant.org}#"),
    ]
    for cookie in forged_cookies:
        assert await refused(on, GOVRIX, Cookie=cookie)
        assert (await on.client.post(TICKETS, headers={"Cookie": cookie})).status_code == 401
        on.signing.close(cookie.partition("=")[2])
    session = our_cookie.partition("=")[2]
    for ticket in [
        our_ticket.replace(our, their),
        their_ticket.replace(their, our),
        our_ticket.rpartition("_")[0] + "_" + their_ticket.rpartition("_")[2],
        session,
        session.replace("tocsin-session", "tocsin-ticket"),
    ]:
        assert await refused(on, f"{GOVRIX}?token={ticket}")
    for cookie in (our_cookie, their_cookie):  # as good as before
        await on.ticket(Cookie=cookie)
    for ticket in (our_ticket, their_ticket):
        async with watching(on, f"{GOVRIX}?token={ticket}"):
            pass


async def test_what_is_stored_does_not_hold_the_token(on: Service, stores: Stores) -> None:
    token = (await on.cookie())["Cookie"].partition("=")[2]
    claimed = claim(Kind.SIGN_IN, token)
    assert claimed
    stored = stores.passes.get(Kind.SIGN_IN, *claimed)
    assert stored
    assert token.rpartition("_")[2] not in repr(stored)
    assert stored.key_id == on.org.key.id


# CORS


@pytest.mark.parametrize(
    ("path", "method", "asked"),
    [
        *((path, "GET", "authorization,last-event-id") for path in ROUTES),
        (TICKETS, "POST", "authorization, content-type"),
    ],
)
async def test_a_preflight_is_granted_to_the_allowed_alone(
    on: Service, path: str, method: str, asked: str
) -> None:
    ask = {"Access-Control-Request-Method": method}
    if asked:
        ask["Access-Control-Request-Headers"] = asked
    granted = await on.client.options(path, headers=ask | {"Origin": DASHBOARD})
    assert granted.status_code == 200
    assert granted.headers["access-control-allow-origin"] == DASHBOARD
    assert granted.headers["access-control-allow-credentials"] == "true"
    assert method in granted.headers["access-control-allow-methods"].split(", ")
    allowed = granted.headers["access-control-allow-headers"].lower().split(", ")
    assert {each.strip() for each in asked.split(",") if each} <= set(allowed)
    assert "origin" in granted.headers["vary"].lower().split(", ")
    for origin in (EVIL, "null", DASHBOARD + ".evil.example"):
        denied = await on.client.options(path, headers=ask | {"Origin": origin})
        assert denied.status_code == 400
        assert "access-control-allow-origin" not in denied.headers


@pytest.mark.parametrize("path", [*ROUTES, "/nowhere"])
@pytest.mark.parametrize("credential", [True, False])
async def test_allowed_pages_may_read_answers_and_refusals(
    on: Service, path: str, credential: bool
) -> None:
    headers = (on.org.bearer if credential else {}) | EVENT_STREAM
    answer = await on.client.head(path, headers=headers | {"Origin": DASHBOARD})
    assert answer.headers["access-control-allow-origin"] == DASHBOARD
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "origin" in answer.headers["vary"].lower()
    for other in ({"Origin": EVIL}, {}):
        answer = await on.client.head(path, headers=headers | other)
        assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_one_request_s_headers_are_not_another_s(on: Service) -> None:
    for _ in range(3):
        headers = on.org.bearer | {"Origin": DASHBOARD}
        answer = await on.client.head(GOVRIX, headers=headers)
        assert answer.headers.get_list("access-control-allow-origin") == [DASHBOARD]
        assert answer.headers.get_list("vary") == ["Origin"]
        answer = await on.client.head(GOVRIX, headers=on.org.bearer)
        assert "access-control-allow-origin" not in answer.headers


async def test_where_no_origin_is_allowed_none_is_granted(stores: Stores) -> None:
    async with service(stores, allowed_origins=frozenset()) as on:
        headers = {"Origin": DASHBOARD, "Access-Control-Request-Method": "GET"}
        assert (
            "access-control-allow-origin"
            not in (await on.client.options(IGRIS, headers=headers)).headers
        )


async def test_events_come_to_a_foreign_page_as_they_happen(on: Service) -> None:
    cookie = await on.cookie(public=True)
    headers = cookie | PUBLIC | {"Origin": DASHBOARD, "Sec-Fetch-Site": "cross-site"}
    async with watching(on, IGRIS, **headers) as watcher:
        for seq in (1, 2, 3):
            on.org.seal()
            while watcher.decoder.last_event_id != str(seq):
                assert await watcher.read()


@pytest.mark.parametrize("origin", [None, EVIL])
async def test_who_needs_no_cors_has_nothing_of_it_in_the_way(origin: str | None) -> None:
    handed: list[Send] = []

    async def app(scope: ASGIScope, receive: Receive, send: Send) -> None:
        handed.append(send)

    async def send(message: Message) -> None:
        raise AssertionError

    async def receive() -> Message:
        raise AssertionError

    headers = [] if origin is None else [(b"origin", origin.encode())]
    scope = {"type": "http", "method": "GET", "headers": headers}
    await Cors(app, allow_origins=[DASHBOARD], allow_credentials=True)(scope, receive, send)
    assert handed == [send]


async def test_a_foreign_page_that_accepts_nothing_is_closed(stores: Stores) -> None:
    async with service(stores, stall_seconds=0.3) as on:
        loop, url = asyncio.get_running_loop(), on.client.base_url
        with socket.socket() as stuck:
            stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            stuck.setblocking(False)
            await loop.sock_connect(stuck, (url.host, url.port))
            lines = [f"GET {GOVRIX} HTTP/1.1", "Host: x", f"Origin: {DASHBOARD}"]
            lines += [f"Authorization: {on.org.bearer['Authorization']}", "", ""]
            await loop.sock_sendall(stuck, "\r\n".join(lines).encode())
            assert b"access-control-allow-origin" in await loop.sock_recv(stuck, 500)
            for _ in range(60):  # more than the kernel keeps for a client
                on.org.seal(20, metadata={"text": "x" * 8_000})
            with pytest.raises(ConnectionResetError):
                while True:
                    await wait_for_reset(stuck)
