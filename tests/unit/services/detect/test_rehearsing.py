"""Dry runs: of a time, with what was learned before it, whole or refused."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from fakes.tenant import FakeAccess, Tenant
from tocsin.domain.detect.kinds import Kind
from tocsin.domain.detect.settings import Settings
from tocsin.domain.errors import Forbidden, Malformed, TooFar
from tocsin.domain.times import iso_ms
from tocsin.services.access.presented import Credentials
from tocsin.services.detect.rehearsing import Rehearsing
from tocsin.services.reading.answers import Answers

pytestmark = pytest.mark.anyio
HOUR_MS = 3_600_000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def tenant() -> Tenant:
    return Tenant()


async def rehearse(
    tenant: Tenant,
    query: Sequence[tuple[str, str]] = (),
    settings: Settings | None = None,
    org: str = "acme",
    **bounds: int,
) -> Any:
    answers = Answers(
        ledger=tenant.ledger,
        journal=tenant.journal,
        credentials=Credentials(FakeAccess()),
        clock=tenant.clock,
    )
    run = Rehearsing(answers, lambda _: settings or Settings(), **bounds)
    pieces = [piece async for piece in run(f"Bearer {org}", query)]
    return json.loads(b"".join(piece for piece in pieces if isinstance(piece, bytes)))


def deletes(tenant: Tenant, count: int = 1) -> None:
    for salt in range(count):
        tenant.add(1, tool_name=f"drop_table_{salt}", server_id="db")


def kinds(answer: Any) -> list[str]:
    return [each["anomaly_type"] for each in answer["anomalies"]]


async def test_it_tells_what_would_have_been_told_and_writes_nothing(tenant: Tenant) -> None:
    deletes(tenant)
    before = dict(tenant.journal.batches)
    tenant.clock.ms += 1
    answer = await rehearse(tenant)
    assert kinds(answer) == ["destructive_pattern"]
    [told] = answer["anomalies"]
    assert told["data"]["evidence"]["seqs"] == [1]
    assert answer | {"anomalies": []} == {
        "anomalies": [],
        "total": 1,
        "looked_at": 1,
        "trained_on": 0,
        "through_seq": 1,
    }
    assert tenant.journal.batches == before
    assert await rehearse(tenant) == answer


async def test_it_is_of_a_time_and_learns_before_it(tenant: Tenant) -> None:
    deletes(tenant)
    tenant.clock.ms += HOUR_MS
    start = iso_ms(tenant.clock.ms)
    deletes(tenant, 2)
    tenant.clock.ms += HOUR_MS
    end = iso_ms(tenant.clock.ms)
    deletes(tenant, 3)
    tenant.clock.ms += 1
    answer = await rehearse(tenant, [("from", start), ("to", end)])
    assert (answer["trained_on"], answer["looked_at"], answer["through_seq"]) == (1, 2, 3)
    assert [each["data"]["evidence"]["seqs"] for each in answer["anomalies"]] == [[2], [3]]
    assert (await rehearse(tenant, [("from", start)], training_events=0))["trained_on"] == 0


async def test_settings_are_those_of_now_or_of_the_query(tenant: Tenant) -> None:
    off = Settings(enabled=False, kinds=frozenset())
    tenant.add(1, type="tocsin.detection_set", source="tocsin", data=off.as_data())
    deletes(tenant)
    tenant.clock.ms += 1
    assert kinds(await rehearse(tenant)) == ["destructive_pattern"]
    some = Settings(kinds=frozenset({Kind.SILENCE}))
    assert kinds(await rehearse(tenant, settings=some)) == []
    asked = [("kinds", "silence,destructive_pattern"), ("false_alerts_per_day", "0.5")]
    assert kinds(await rehearse(tenant, asked, some)) == ["destructive_pattern"]


async def test_of_too_many_it_is_refused(tenant: Tenant) -> None:
    tenant.add(5, 5)
    tenant.clock.ms += 1
    assert (await rehearse(tenant, max_events=10))["looked_at"] == 10
    with pytest.raises(TooFar, match="less time"):
        await rehearse(tenant, max_events=9)


async def test_another_orgs_past_is_not_looked_at(tenant: Tenant) -> None:
    deletes(tenant)
    tenant.clock.ms += 1
    answer = await rehearse(tenant, org="beta")
    assert (answer["total"], answer["looked_at"], answer["through_seq"]) == (0, 0, 0)


@pytest.mark.parametrize(
    "query",
    [
        ("from", "soon"),
        ("from", "1774000000000"),
        ("from", "2100-01-01T00:00:00Z"),
        ("false_alerts_per_day", "nan"),
        ("false_alerts_per_day", "1e400"),
        ("false_alerts_per_day", "-1"),
        ("false_alerts_per_day", "x"),
        ("kinds", ""),
        ("kinds", "x"),
        ("kinds", "silence," * 10_000),
        ("limit", "1"),
    ],
)
async def test_what_is_no_dry_run(tenant: Tenant, query: tuple[str, str]) -> None:
    with pytest.raises(Malformed):
        await rehearse(tenant, [query])


async def test_who_may_not_read_may_not_ask(tenant: Tenant) -> None:
    with pytest.raises(Forbidden):
        await rehearse(tenant, org="ingest-acme")
