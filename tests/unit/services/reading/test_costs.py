"""Costs, agents and sessions, as an org's key is told of them."""

from dataclasses import replace

import pytest

from fakes.events import KEY
from fakes.stores import FakeOrgs, FakeProjections, FakeQuota
from fakes.tenant import Tenant
from tocsin.domain.errors import Busy, Forbidden, NotFound
from tocsin.domain.org import Org
from tocsin.services.reading.costs import Costs
from tocsin.services.reading.indexes import Indexes
from tocsin.services.sealing.project import Projector
from tocsin.services.sealing.rebuild import Rebuild
from tocsin.wire import costs as asked
from tocsin.wire import indexes

HOUR_MS = 3_600_000
NOW = "2026-03-20T09:46:40.000Z"  # of the fake clock, a Friday


class World(Tenant):
    def __init__(self) -> None:
        super().__init__()
        self.projections = FakeProjections()
        self.orgs, self.quota = FakeOrgs(), FakeQuota()
        self.costs = Costs(self.projections, self.orgs, self.quota, self.clock)
        self.indexes = Indexes(self.projections, self.clock)
        self.projector = Projector(
            ledger=self.ledger, journal=self.journal, projections=self.projections
        )
        self.rebuild = Rebuild(
            ledger=self.ledger,
            journal=self.journal,
            projections=self.projections,
            projector=self.projector,
        )

    def sealed(self, **fields: object) -> None:
        self.add(1, **fields)
        self.projector(["acme"])


@pytest.fixture
def world() -> World:
    made = World()
    made.sealed(agent_id="a1", model="m1", cost_usd=1, total_tokens=10, latency_ms=30)
    made.sealed(agent_id="a2", model="m1", cost_usd=2, total_tokens=0, provider="openai")
    made.clock.ms += 14 * HOUR_MS  # 23:46
    made.sealed(agent_id="a1", model="m2", cost_usd=4, total_tokens=5, latency_ms=10)
    made.clock.ms += HOUR_MS
    made.sealed(agent_id="a1", cost_usd=8, total_tokens=1, status="error")
    return made


def test_a_summary_is_of_the_last_seven_days(world: World) -> None:
    summary = world.costs.summary(KEY, asked.summary([], world.clock.ms))
    assert summary == {
        "total_cost_usd": 15,
        "total_requests": 4,
        "total_tokens": 16,
        "avg_latency_ms": 20,
        "period_start": "2026-03-14T00:00:00.000Z",
        "period_end": "2026-03-21T01:00:00.000Z",
    }


def test_a_span_is_of_whole_hours(world: World) -> None:
    span = [("from", "2026-03-20T23:59:59Z"), ("to", "2026-03-21T01:00:00+01:00")]
    summary = world.costs.summary(KEY, asked.summary(span, world.clock.ms))
    assert (summary["total_cost_usd"], summary["avg_latency_ms"]) == (4, 10)
    assert summary["period_start"] == "2026-03-20T23:00:00.000Z"
    assert summary["period_end"] == "2026-03-21T00:00:00.000Z"
    none = [("from", "2025-01-01"), ("to", "2025-02-01")]
    summary = world.costs.summary(KEY, asked.summary(none, world.clock.ms))
    assert (summary["total_cost_usd"], summary["avg_latency_ms"]) == (0, None)


@pytest.mark.parametrize(
    ("group_by", "rows"),
    [
        ("agent", [("a1", 3, 16, 13), ("a2", 1, 0, 2)]),
        ("model", [("m2", 1, 5, 4), ("m1", 2, 10, 3)]),
        ("protocol", [("openai", 1, 0, 2)]),
        ("tool", [("tool-0", 4, 16, 15)]),
    ],
)
def test_costs_are_broken_down(
    world: World, group_by: str, rows: list[tuple[str, int, int, float]]
) -> None:
    query = [("group_by", group_by)]
    found = world.costs.breakdown(KEY, asked.breakdown(query, world.clock.ms))
    names = ("group", "requests", "tokens", "cost_usd")
    assert [tuple(row[name] for name in names) for row in found["data"]] == rows
    assert found["total"] == len(rows)
    assert not any(row["other"] for row in found["data"])


def test_names_beyond_the_hundredth_are_told_as_others() -> None:
    world = World()
    for n in range(103):
        world.add(1, agent_id=f"a{n:03}", cost_usd=1)
    world.projector(["acme"])
    rows = world.costs.breakdown(KEY, asked.breakdown([], world.clock.ms + HOUR_MS))["data"]
    assert len(rows) == 101
    assert [row for row in rows if row["other"]] == [
        {"group": "other", "other": True, "requests": 3, "tokens": 6, "cost_usd": 3}
    ]


@pytest.mark.parametrize(
    ("granularity", "times"),
    [
        ("hour", {"2026-03-20T09": 3, "2026-03-20T23": 4, "2026-03-21T00": 8}),
        ("day", {"2026-03-20T00": 7, "2026-03-21T00": 8}),
        ("week", {"2026-03-16T00": 15}),
        ("month", {"2026-03-01T00": 15}),
    ],
)
def test_a_time_series_has_what_there_was(
    world: World, granularity: str, times: dict[str, float]
) -> None:
    query = [("granularity", granularity)]
    found = world.costs.timeseries(KEY, asked.timeseries(query, world.clock.ms))
    assert {row["timestamp"][:13]: row["cost_usd"] for row in found["data"]} == times


def test_a_time_series_may_be_of_one_agent(world: World) -> None:
    for agent_id, costs in (("a1", [5, 8]), ("a2", [2]), ("a3", []), ("😀" * 256, [])):
        query = [("agent_id", agent_id)]
        found = world.costs.timeseries(KEY, asked.timeseries(query, world.clock.ms))
        assert [row["cost_usd"] for row in found["data"]] == costs


def test_usage_is_what_is_taken_of_the_quota(world: World) -> None:
    with pytest.raises(Forbidden):
        world.costs.usage(KEY)
    world.orgs.put(Org("acme", 10))
    world.quota.reserve("acme", "2026-03", 4, 10)
    assert world.costs.usage(KEY) == {"month": "2026-03", "quota": 10, "used": 4, "left": 6}


def test_agents_are_listed_by_when_they_were_last_seen(world: World) -> None:
    page = world.indexes.agents(KEY, indexes.parse([("limit", "1")]))
    assert (page["total"], [agent["id"] for agent in page["data"]]) == (2, ["a1"])
    query = [("limit", "1"), ("cursor", page["next_cursor"])]
    page = world.indexes.agents(KEY, indexes.parse(query))
    assert [agent["id"] for agent in page["data"]] == ["a2"]
    query = [("cursor", page["next_cursor"])]
    page = world.indexes.agents(KEY, indexes.parse(query))
    assert (page["data"], page["next_cursor"]) == ([], None)


def test_an_agent_is_as_govrix_scout_has_it(world: World) -> None:
    late = "2026-03-21T00:46:40.000Z"
    assert world.indexes.agent(KEY, "a1") == {
        "id": "a1",
        "name": "a1",
        "description": None,
        "framework": None,
        "status": "error",
        "labels": {},
        "total_requests": 3,
        "total_tokens": 16,
        "total_cost_usd": 13,
        "last_model_used": "m2",
        "first_seen_at": NOW,
        "last_seen_at": late,
        "last_error_at": late,
        "error_count": 1,
        "events": 3,
        "denials": 0,
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "first_seq": 1,
        "last_seq": 4,
    }
    assert world.indexes.agent(KEY, "a2")["status"] == "idle"
    world.sealed(agent_id="a2", action="deny")
    agent = world.indexes.agent(KEY, "a2")
    assert (agent["status"], agent["denials"]) == ("active", 1)
    with pytest.raises(NotFound, match="agent not found"):
        world.indexes.agent(KEY, "a3")
    with pytest.raises(NotFound):
        world.indexes.agent(replace(KEY, org="beta"), "a1")


def test_a_session_has_the_same_figures(world: World) -> None:
    (session,) = world.indexes.sessions(KEY, indexes.parse([]))["data"]
    assert session == world.indexes.session(KEY, "ses_k1")
    assert (session["total_requests"], session["total_cost_usd"]) == (4, 15)


def test_a_key_of_some_event_types_is_told_no_figures(world: World) -> None:
    key = replace(KEY, types=frozenset({"anomaly"}))
    with pytest.raises(Forbidden):
        world.indexes.agents(key, indexes.parse([]))
    with pytest.raises(Forbidden):
        world.indexes.session(key, "ses_k1")
    with pytest.raises(Forbidden):
        world.costs.summary(key, asked.summary([], world.clock.ms))


def test_what_is_read_while_it_is_rebuilt_is_all_of_one_generation(world: World) -> None:
    before = world.indexes.agents(KEY, indexes.parse([]))
    newest, times = world.projections.newest, 1

    def exchanged(*args: object) -> object:
        nonlocal times
        if times:
            times -= 1
            world.rebuild("acme")  # the generation that is being read is removed
        return newest(*args)  # type: ignore[arg-type]

    world.projections.newest = exchanged  # type: ignore[assignment,method-assign]
    assert world.indexes.agents(KEY, indexes.parse([])) == before
    times = 1_000
    with pytest.raises(Busy):
        world.indexes.agents(KEY, indexes.parse([]))
