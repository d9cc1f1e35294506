"""The list of agents, of those that were seen and those that were only created."""

from typing import Any

import pytest

from fakes.events import KEY
from fakes.stores import FakeAgentStates, FakeJournal, FakeKeyRing, FakeKeys, FakeProjections
from fakes.tenant import Tenant
from tocsin.domain.agents import AgentState
from tocsin.services.agents.listing import Listing
from tocsin.services.reading.indexes import Indexes
from tocsin.services.sealing.project import Projector
from tocsin.wire.indexes import parse_agents


class CountedStates(FakeAgentStates):
    looks = 0

    def ids(self, org: str, after: str, limit: int) -> list[str]:
        self.looks += 1
        return list(super().ids(org, after, limit))


class World(Tenant):
    def __init__(self) -> None:
        super().__init__()
        self.projections = FakeProjections()
        self.states = CountedStates(FakeKeyRing(FakeKeys(), FakeJournal()))
        self.list = Listing(Indexes(self.projections, self.clock), self.states)

    def created(self, *ids: str) -> None:
        for id in ids:
            self.states.states["acme", id] = AgentState(org="acme", id=id, change="c")

    def seen(self, *ids: str) -> None:
        for id in ids:
            self.add(1, agent_id=id)
        Projector(ledger=self.ledger, journal=self.journal, projections=self.projections)(["acme"])

    def page(self, limit: int = 50, cursor: str | None = None) -> dict[str, Any]:
        query = [("limit", str(limit)), ("cursor", cursor or "")]
        return self.list(KEY, parse_agents(query))

    def rest(self, limit: int, cursor: str | None = "") -> list[str]:
        found = list[str]()
        while cursor is not None:
            page = self.page(limit, cursor)
            assert len(page["data"]) <= limit
            assert page["total"] >= len(page["data"])
            found, cursor = found + [each["id"] for each in page["data"]], page["next_cursor"]
        return found


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 1_000])
def test_each_is_in_it_once(world: World, limit: int) -> None:
    world.created("b", "both", "a")
    world.seen("s", "both")
    assert world.rest(limit) == ["both", "s", "a", "b"]


def test_there_are_none(world: World) -> None:
    assert world.page() == {"data": [], "total": 0, "next_cursor": None}


def test_ten_thousand_of_either_cost_a_page_the_same(world: World) -> None:
    ids = [f"a{at:05}" for at in range(10_000)]
    world.created(*ids)
    assert world.rest(1_000) == ids
    assert world.states.looks <= 10 * 11
    world.states.looks = 0
    page = world.page(3, "created#a04999")
    assert [each["id"] for each in page["data"]] == ids[5_000:5_003]
    assert world.states.looks == 1


def test_of_those_that_were_seen_a_page_looks_at_no_more_than_a_thousand(world: World) -> None:
    ids = [f"a{at:05}" for at in range(1_250)]
    world.created(*ids, "new")
    world.seen(*ids)
    page = world.page(50, "created#a")
    assert (page["data"], page["next_cursor"]) == ([], "created#a00999")
    assert world.states.looks == 10
    assert world.rest(50, page["next_cursor"]) == ["new"]
    assert sorted(world.rest(50)) == [*ids, "new"]


def test_agents_come_and_go_while_pages_are_read(world: World) -> None:
    world.created("b", "d", "f")
    world.seen("s1", "s2")
    first = world.page(3)
    assert [each["id"] for each in first["data"]] == ["s2", "s1", "b"]
    world.created("a", "e")  # before and beyond where the page ended
    world.seen("d")  # which is at the beginning from now on
    assert world.rest(1, first["next_cursor"]) == ["e", "f"]
    assert world.rest(2) == ["d", "s2", "s1", "a", "b", "e", "f"]


def test_what_an_old_version_projected_without_a_place_is_listed(world: World) -> None:
    world.created("old")
    world.seen("old")
    del world.projections.by_key["acme", 0]["agent", "old"]["seen"]
    [each] = world.page()["data"]
    assert (each["id"], each["events"]) == ("old", 1)
