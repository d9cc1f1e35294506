"""Rampart's audit routes over HTTP, the stores on MiniStack: days, pages, counts, files, proof."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from hashlib import sha256
from typing import Any

import httpx
import pytest

from integration.test_list import Product, product
from integration.test_stream import KEY, stage
from support.databases import Database
from tocsin.domain.batch import unpack
from tocsin.domain.chain import genesis
from tocsin.domain.keys import Scope
from tocsin.services.reading.past import Past
from unit.services.reading.test_replay import change

pytestmark = pytest.mark.anyio
AUDIT = "/v1/audit"
DAY_MS = 86_400_000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def on(database: Database) -> AsyncIterator[Product]:
    async with product(database) as product_:
        yield product_


def seqs(answer: Any) -> list[int]:
    return [event["seq"] for event in answer["events"]]


async def three_days(on: Product) -> None:
    """Seal 3, 5 and 2 events on three days, with a day between the last two without any."""
    on.seal("acme", 2, 1, tool_name="exec", action="deny", agent_id="a", session_id="s")
    on.clock.ms += DAY_MS
    on.seal("acme", 4, tool_name="read", action="allow", agent_id="b", session_id="t")
    on.seal(
        "acme", tool_name="exec", action="ask", agent_id="b", timestamp="2020-01-01T00:00:00.000Z"
    )
    on.clock.ms += 2 * DAY_MS
    on.seal("acme", 2, type="audit", run_id="run_1")


async def test_days_are_told_and_each_has_its_own(on: Product) -> None:
    headers = on.key("acme")
    assert await on.get(f"{AUDIT}/dates", headers) == {"dates": [], "configured": True}
    await three_days(on)
    told = await on.get(f"{AUDIT}/dates", headers)
    first, second, last = told["dates"]
    assert told == {"dates": ["2026-03-20", "2026-03-21", "2026-03-23"], "configured": True}
    for day, expected in [(first, [3, 2, 1]), (second, [8, 7, 6, 5, 4]), (last, [10, 9])]:
        answer = await on.get(f"{AUDIT}/events?date={day}", headers)
        assert seqs(answer) == expected
        rest = {name: answer[name] for name in answer if name != "events"}
        assert rest == {"total_in_file": len(expected), "next_offset": 0, "date": day}
    assert seqs(await on.get(f"{AUDIT}/events", headers)) == [10, 9]  # today
    nothing = await on.get(f"{AUDIT}/events?date=2026-03-22", headers)
    assert nothing == {"events": [], "total_in_file": 0, "next_offset": 0, "date": "2026-03-22"}
    for day in ("0001-01-01", "9999-12-31"):
        assert seqs(await on.get(f"{AUDIT}/events?date={day}", headers)) == []


async def test_an_event_is_the_streams_and_names_its_run(on: Product) -> None:
    headers = on.key("acme")
    decision = {"action": "deny", "matched_policies": ["p"], "message": "no"}
    on.seal("acme", tool_name="exec", request={"command": "x" * 70_000}, decision=decision)
    on.seal("acme", type="audit", run_id="run_1", tool_call_id="t1")
    last, first = (await on.get(f"{AUDIT}/events", headers))["events"]
    assert (last["run_id"], last["tool_call_id"], first["run_id"]) == ("run_1", "t1", "")
    assert len(first["request"]["command"]) == 70_000  # no link, as in a stream
    assert first["decision"] == decision
    assert last["prev_hash"] == first["hash"]


async def test_pages_of_a_day_by_what_events_say(on: Product) -> None:
    headers = on.key("acme")
    await three_days(on)
    on.project("acme")
    day = f"{AUDIT}/events?date=2026-03-21"
    for query, expected, next_offset in [
        ("limit=2", [8, 7], 2),
        ("limit=2&offset=2", [6, 5], 4),
        ("limit=2&offset=4", [4], 0),
        ("offset=9", [], 0),
        ("tool=exec", [8], 0),
        ("action=allow&limit=4", [7, 6, 5, 4], 0),
        ("agent=b&limit=4", [8, 7, 6, 5], 4),
        ("agent=b&session=t&limit=3", [7, 6, 5], 3),
        ("agent=a", [], 0),
    ]:
        answer = await on.get(f"{day}&{query}", headers)
        assert (seqs(answer), answer["next_offset"]) == (expected, next_offset), query
        assert answer["total_in_file"] == 5


async def test_what_there_was_is_counted(on: Product) -> None:
    headers = on.key("acme")
    await three_days(on)
    assert await on.get(f"{AUDIT}/stats?from=2026-03-20&to=2026-03-21", headers) == {
        "total_events": 8,
        "by_action": {"deny": 3, "allow": 4, "ask": 1},
        "by_tool": {"exec": 4, "read": 4},
        "by_agent": {"a": 3, "b": 5},
        "by_session": {"s": 3, "t": 4, "ses_k1": 1},
        "next_before": None,
    }
    today = await on.get(f"{AUDIT}/stats", headers)
    assert today["total_events"] == 2


def look_at(monkeypatch: pytest.MonkeyPatch, events: int) -> None:
    monkeypatch.setattr("tocsin.services.reading.answers.Past", partial(Past, looks_at=events))


async def all_pages(on: Product, query: str, headers: dict[str, str], offset: int) -> list[int]:
    """Return what Rampart's clients get who go on with ``next_offset``."""
    found, asked = list[int](), 0
    while offset or not asked:
        answer = await on.get(f"{AUDIT}/events?{query}&offset={offset}", headers)
        found += seqs(answer)
        offset, asked = answer["next_offset"], asked + 1
        assert asked < 50
    return found


async def test_a_page_ends_where_a_request_looks_no_further_and_its_next_offset_goes_on(
    on: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_at(monkeypatch, 5)
    headers = on.key("acme")
    on.seal("acme", 4, tool_name="exec")
    on.clock.ms += DAY_MS
    for place in range(14):
        on.seal("acme", 1 + place % 2, tool_name="exec" if place % 4 in (0, 1) else "read")
    on.clock.ms += DAY_MS
    on.seal("acme", 4, tool_name="exec")
    day = "date=2026-03-21&tool=exec"
    wanted = [25, 24, 23, 19, 18, 17, 13, 12, 11, 7, 6, 5]
    nothing = await on.get(f"{AUDIT}/events?date=2026-03-21&tool=none", headers)
    assert (nothing["events"], nothing["total_in_file"]) == ([], 21)
    assert nothing["next_offset"]
    for limit in (1, 2, 4, 100):
        assert await all_pages(on, f"{day}&limit={limit}", headers, 0) == wanted
    for offset in range(14):
        assert await all_pages(on, f"{day}&limit=3", headers, offset) == wanted[offset:]
    for offset in (10**7 - 1, 10**9, 10**16 - 1):  # nobody was given them: that is no fault
        assert set(await all_pages(on, day, headers, offset)) <= set(wanted)


async def test_a_day_that_grows_while_its_pages_are_read_loses_nothing(
    on: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_at(monkeypatch, 5)
    headers = on.key("acme")
    on.seal("acme", 1, tool_name="exec")
    on.seal("acme", 12, tool_name="read")
    found, offset = list[int](), 1
    while offset:
        on.seal("acme", 3, tool_name="read")
        asked = "" if offset == 1 else f"&offset={offset}"
        answer = await on.get(f"{AUDIT}/events?tool=exec{asked}", headers)
        found, offset = found + seqs(answer), answer["next_offset"]
    assert found == [1]


async def test_counts_end_where_a_request_looks_no_further_and_add_up(
    on: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    await three_days(on)
    all_types, audits = on.key("acme"), on.key("acme", types=frozenset({"tool_call"}))
    days = f"{AUDIT}/stats?from=2026-03-20&to=2026-03-23"
    whole = await on.get(days, all_types)
    of_types = await on.get(days, audits)
    assert (whole["total_events"], of_types["total_events"]) == (10, 8)
    limits = {"looked at": (3, 10**6), "names": (100, 4), "one name an answer": (100, 0)}
    for limit, (looked_at, name_chars) in limits.items():
        look_at(monkeypatch, looked_at)
        monkeypatch.setattr("tocsin.services.reading.audit._NAME_CHARS", name_chars)
        monkeypatch.setattr("tocsin.services.reading.past.STEP_BYTES", 1)
        for headers, expected in ((all_types, whole), (audits, of_types)):
            sums: dict[str, Counter[str]] = {name: Counter() for name in expected if "by_" in name}
            before, totals = "", list[int]()
            while True:
                answer = await on.get(days + before, headers)
                totals.append(answer["total_events"])
                for name, counter in sums.items():
                    counter.update(answer[name])
                if answer["next_before"] is None:
                    break
                before = f"&before={answer['next_before']}"
            assert sums == {name: expected[name] for name in sums}, limit
            assert len(totals) > 2, limit
            if headers is all_types:
                assert set(totals) == {10}
            else:
                assert sum(totals) == 8


async def test_a_day_without_a_filter_costs_its_page_alone_however_long_it_is() -> None:
    async with stage() as on:
        for _ in range(400):
            on.tenant.add(3)
        ledger, journal = on.tenant.ledger, on.tenant.journal
        asked: Counter[str] = Counter()
        for store, name in ((journal, "get"), (ledger, "segments"), (ledger, "segments_before")):
            real = getattr(store, name)

            def counted(*given: Any, name: str = name, real: Any = real) -> Any:
                found = real(*given)
                asked[name] += len(found)
                return found

            setattr(store, name, counted)
        for offset in (0, 900):
            asked.clear()
            url = f"{AUDIT}/events?limit=2&offset={offset}"
            answer = (await on.client.get(url, headers=KEY)).json()
            assert (answer["total_in_file"], answer["next_offset"]) == (1_200, offset + 2)
            assert seqs(answer) == [1_200 - offset, 1_199 - offset]
            assert asked["get"] <= 2
            assert asked.total() <= 20


async def test_a_day_is_exported_whole(on: Product) -> None:
    headers = on.key("acme")
    await three_days(on)
    response = await on.client.get(f"{AUDIT}/export?date=2026-03-21", headers=headers)
    assert response.headers["content-type"] == "application/jsonl"
    assert response.headers["content-disposition"] == (
        'attachment; filename="rampart-audit-2026-03-21.jsonl"'
    )
    assert response.content.endswith(b"}\n")
    assert [json.loads(line)["seq"] for line in response.iter_lines()] == [4, 5, 6, 7, 8]
    for day in ("2026-03-22", "1970-01-01", "2100-01-01"):
        response = await on.client.get(f"{AUDIT}/export?date={day}", headers=headers)
        assert (response.status_code, "error" in response.json()) == (404, True)


async def test_proof_is_asked_for_by_seqs(on: Product) -> None:
    headers = on.key("acme")
    holds = {"ok": True, "first_bad_seq": None, "reason": None, "next": None}
    assert await on.get(f"{AUDIT}/verify", headers) == holds | {"from": 1, "to": 0}
    await three_days(on)
    assert await on.get(f"{AUDIT}/verify", headers) == holds | {"from": 1, "to": 10}
    asked = await on.get(f"{AUDIT}/verify?from=4&to=6", headers)
    assert asked == holds | {"from": 4, "to": 6}
    assert await on.get(f"{AUDIT}/verify?from=11", headers) == holds | {"from": 11, "to": 10}


async def test_proof_of_a_long_ledger_is_asked_for_step_by_step(
    on: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.services.reading.verification.VERIFIED_EVENTS", 250)
    headers = on.key("acme")
    for _ in range(6):
        on.seal("acme", 100)
    asked, steps = 1, []
    while asked:
        answer = await on.get(f"{AUDIT}/verify?from={asked}", headers)
        assert answer["ok"]
        steps.append((answer["from"], answer["to"]))
        asked = answer["next"]
    assert steps == [(1, 300), (301, 600)]


async def test_what_was_changed_is_named_and_not_served() -> None:
    async with stage() as on:
        tenant, headers = on.tenant, KEY
        tenant.add(3)
        tenant.add(2, 3)
        change(tenant, 5)

        async def get(path: str) -> httpx.Response:
            return await on.client.get(f"{AUDIT}/{path}", headers=headers)

        answer = (await get("verify")).json()
        told = [answer[name] for name in ("ok", "first_bad_seq", "to", "next")]
        assert told == [False, 5, 3, None]
        assert answer["reason"]
        assert (await get("verify?to=3")).json()["ok"]
        day = (await get("dates")).json()["dates"][0]
        for path in (f"events?date={day}", f"stats?from={day}"):
            response = await get(path)
            assert response.status_code == 500
            assert "seq 5" in response.json()["error"]
        with pytest.raises(httpx.TransportError):  # broken off, after what is before it
            await get(f"export?date={day}")


ENTRIES = f"{AUDIT}/entries"


def recomputed(lines: list[bytes], hash: bytes) -> bytes:
    """Return what a chain comes to that had this hash before, as docs/reference.md computes it."""
    for each in lines:
        said, leaf = each.removesuffix(b"}\n"), None
        if b',"event":' in said:
            said, _, event = said.partition(b',"event":')
            leaf = sha256(b"\0" + event).digest()
        fields = json.loads(said + b"}")
        leaf = leaf or bytes.fromhex(fields["leaf"])
        assert fields["prev_hash"] == hash.hex()
        hash = sha256(hash + leaf).digest()
        assert fields["hash"] == hash.hex()
    return hash


async def entries(client: httpx.AsyncClient, headers: dict[str, str], query: str) -> list[bytes]:
    response = await client.get(f"{ENTRIES}{query}", headers=headers)
    assert response.status_code == 200
    return response.content.splitlines(keepends=True)


def seqs_of(lines: list[bytes]) -> list[int]:
    return [json.loads(each)["seq"] for each in lines]


async def test_the_chain_is_computed_from_what_was_hashed(on: Product) -> None:
    headers = on.key("acme")
    assert await entries(on.client, headers, "") == []
    await three_days(on)
    on.seal("acme", tool_name='}\n,"event":{\u202e😀', metadata={"leaf": "00", "event": "}"})
    lines = await entries(on.client, headers, "")
    assert seqs_of(lines) == [*range(1, 12)]
    assert recomputed(lines, genesis("acme")) == on.stores.ledger.head("acme").hash
    assert await entries(on.client, headers, "?from=3&to=5") == lines[2:5]
    assert await entries(on.client, headers, "?from=0&to=1") == lines[:1]
    assert await entries(on.client, headers, "?from=11&to=9999999999999999") == lines[10:]
    for beyond in ("12", "13", "9999999999999999"):
        assert await entries(on.client, headers, f"?from={beyond}") == []
    response = await on.client.get(ENTRIES, headers=headers)
    assert response.headers["content-type"] == "application/jsonl"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    for query in ("from=5&to=4", "from=x", "from=-1", "from=1&from=2", "from=" + "9" * 17):
        refused = await on.client.get(f"{ENTRIES}?{query}", headers=headers)
        assert refused.status_code == 400, query
    assert await entries(on.client, on.key("beta"), "?from=3") == []


@pytest.mark.parametrize(("name", "value"), [("MAX_ENTRIES", 4), ("MAX_ENTRIES_BYTES", 2_200)])
async def test_who_asks_on_gets_a_whole_ledger_however_little_an_answer_holds(
    on: Product, monkeypatch: pytest.MonkeyPatch, name: str, value: int
) -> None:
    monkeypatch.setattr(f"tocsin.services.reading.entries.{name}", value)
    headers = on.key("acme")
    await three_days(on)
    lines, held = list[bytes](), list[int]()
    while some := await entries(on.client, headers, f"?from={len(lines) + 1}"):
        lines += some
        held.append(len(some) if name == "MAX_ENTRIES" else sum(map(len, some)))
    assert (seqs_of(lines), max(held) <= value, len(held)) == ([*range(1, 11)], True, 3)
    recomputed(lines, genesis("acme"))


async def test_each_batch_that_is_read_is_unpacked_once(
    on: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers, unpacked = on.key("acme"), list[int]()
    on.seal("acme", 3, 4, 5)

    def counted(packed: bytes, count: int) -> tuple[bytes, ...]:
        unpacked.append(count)
        return unpack(packed, count)

    monkeypatch.setattr("tocsin.domain.batch.unpack", counted)
    assert len(await entries(on.client, headers, "")) == 12
    assert unpacked == [3, 4, 5]


async def test_an_answer_ends_before_what_was_changed_and_who_asks_on_is_told() -> None:
    async with stage() as on:
        on.tenant.add(3)
        on.tenant.add(2, 3)
        change(on.tenant, 5)
        lines = await entries(on.client, KEY, "")
        assert seqs_of(lines) == [1, 2, 3]
        recomputed(lines, genesis("acme"))
        for query in ("?from=4", "?from=4&to=4", "?from=5"):
            response = await on.client.get(f"{ENTRIES}{query}", headers=KEY)
            assert response.status_code == 500
            assert (response.json()["code"], response.json()["seq"]) == ("INTEGRITY", 5)
        assert seqs_of(await entries(on.client, KEY, "?from=6")) == [6, 7, 8]


async def test_what_is_older_than_the_retention_is_given_as_leaves() -> None:
    async with stage(retention_days=1) as on:
        on.tenant.add(3)
        on.tenant.clock.ms += DAY_MS // 2
        on.tenant.add(2)
        whole = await entries(on.client, KEY, "")
        on.tenant.clock.ms += DAY_MS * 3 // 4
        for kept_yet in (True, False):  # the journal drops them some time later
            lines = await entries(on.client, KEY, "")
            assert [b'"leaf"' in each for each in lines] == [True] * 3 + [False] * 2
            assert lines[3:] == whole[3:]
            assert recomputed(lines, genesis("acme")) == on.tenant.ledger.head("acme").hash
            assert await entries(on.client, KEY, "?from=2&to=4") == lines[1:4]
            if kept_yet:
                on.tenant.journal.batches.pop(min(on.tenant.journal.batches))


async def test_a_key_of_some_types_is_not_given_what_it_could_guess_from(
    database: Database,
) -> None:
    async with product(database) as on:
        on.seal("acme", 2)
        refused = await on.client.get(
            ENTRIES, headers=on.key("acme", types=frozenset({"tool_call"}))
        )
        assert (refused.status_code, "every type" in refused.json()["error"]) == (403, True)
    async with product(database, allowed_types=frozenset({"tool_call"})) as on:
        assert (await on.client.get(ENTRIES, headers=on.key("acme"))).status_code == 403


@pytest.mark.parametrize(
    "path", ["events", "dates", "stats", "export?date=2026-03-20", "entries", "verify"]
)
async def test_every_route_wants_a_key_and_reads_only(on: Product, path: str) -> None:
    headers = on.key("acme")
    ingest = on.key("acme", scopes=frozenset({Scope.INGEST}))
    assert (await on.client.get(f"{AUDIT}/{path}")).status_code == 401
    assert (await on.client.get(f"{AUDIT}/{path}", headers=ingest)).status_code == 403
    posted = await on.client.post(f"{AUDIT}/{path}", headers=headers)
    assert (posted.status_code, posted.headers["allow"]) == (405, "GET, HEAD")
    sign = "&" if "?" in path else "?"
    refused = await on.client.get(f"{AUDIT}/{path}{sign}page=2", headers=headers)
    assert refused.status_code == 400
    assert "'page' is not known" in refused.json()["error"]


async def test_a_key_counts_what_it_sees(database: Database) -> None:
    async with product(database, allowed_types=frozenset({"tool_call", "audit"})) as on:
        audits = on.key("acme", types=frozenset({"audit", "custom"}))
        on.seal("acme", 3)
        on.seal("acme", 2, type="audit")
        on.seal("acme", 1, type="custom")
        answer = await on.get(f"{AUDIT}/events", audits)
        assert (seqs(answer), answer["total_in_file"], answer["next_offset"]) == ([5, 4], 2, 0)
        assert (await on.get(f"{AUDIT}/stats", audits))["total_events"] == 2
        export = await on.client.get(f"{AUDIT}/export?date=2026-03-20", headers=audits)
        assert [json.loads(line)["seq"] for line in export.iter_lines()] == [4, 5]


async def test_nothing_of_another_org_is_told(on: Product) -> None:
    beta = on.key("beta")
    await three_days(on)
    assert await on.get(f"{AUDIT}/dates", beta) == {"dates": [], "configured": True}
    assert seqs(await on.get(f"{AUDIT}/events?date=2026-03-21", beta)) == []
    assert (await on.get(f"{AUDIT}/stats?from=2026-03-20", beta))["total_events"] == 0
    assert (await on.get(f"{AUDIT}/verify?to=5", beta))["to"] == 0


async def test_what_is_older_than_the_retention_is_of_no_day() -> None:
    async with stage(retention_days=1) as on:
        tenant = on.tenant
        tenant.add(3)
        tenant.clock.ms += DAY_MS // 4
        tenant.add(2)
        tenant.clock.ms += DAY_MS * 7 // 8
        tenant.add(1)

        async def get(path: str) -> Any:
            return (await on.client.get(f"{AUDIT}/{path}", headers=KEY)).json()

        assert (await get("dates"))["dates"] == ["2026-03-20", "2026-03-21"]
        first = await get("events?date=2026-03-20")
        assert (seqs(first), first["total_in_file"]) == ([5, 4], 2)
        assert (await get("stats?from=2026-03-20"))["total_events"] == 3
        assert (await get("verify"))["to"] == 6  # the rest by its leaves
        tenant.clock.ms += DAY_MS
        assert (await get("dates"))["dates"] == ["2026-03-21"]
        gone = await get("events?date=2026-03-20")
        assert (seqs(gone), gone["total_in_file"]) == ([], 0)
