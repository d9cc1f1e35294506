"""What every implementation of the agents' states does."""

from dataclasses import replace

from support.databases import Stores
from tocsin.domain.agents import AgentState
from tocsin.domain.ids import new_batch_id
from tocsin.domain.keys import ApiKey, Scope, mint
from tocsin.services.intake.stamp import own_batch


def write(
    on: Stores, salt: int, state: AgentState, was: str = "", key: ApiKey | None = None
) -> str:
    id = new_batch_id(1_774_000_000_000, (salt << 20).to_bytes(10))
    batch, packed = own_batch(state.org, [{"type": "agent.updated"}], id)
    written = on.agent_states.write(replace(state, change=id), was, batch, packed, key)
    assert (id in on.journal.get(state.org, [id])) is written
    return id if written else ""


def described(id: str, org: str = "acme") -> AgentState:
    return AgentState(
        org=org,
        id=id,
        name="Claude",
        description="writes\ncode",
        framework="mcp",
        labels={"team/a \U0001f514": "", "#change": ":was"},
        retired_at_ms=7,
        reason="r",
        by="maria",
        at_ms=8,
    )


class TestAgentStates:
    def test_a_state_comes_back_as_it_was_written(self, on: Stores) -> None:
        assert on.agent_states.get("acme", ["a"]) == {}
        longest = "\U0001f514" * 256
        first, second = (
            write(on, 1, described("a")),
            write(on, 2, AgentState(org="acme", id=longest)),
        )
        assert on.agent_states.get("acme", ["a", "b", longest]) == {
            "a": replace(described("a"), change=first),
            longest: AgentState(org="acme", id=longest, change=second),
        }
        assert on.agent_states.get("beta", ["a"]) == {}
        assert on.agent_states.get("acme", []) == {}
        assert [state.id for state in on.agent_states.all("acme")] == ["a", longest]
        assert on.agent_states.ids("acme", longest, 9) == []
        assert list(on.agent_states.all("beta")) == []

    def test_a_page_of_them_is_read(self, on: Stores) -> None:
        for salt in range(1, 4):
            write(on, salt, described(f"a{salt * 60}"))
        found = on.agent_states.get("acme", [f"a{at}" for at in range(250)])
        assert found.keys() == {"a60", "a120", "a180"}

    def test_ids_are_read_on_from_one_of_them(self, on: Stores) -> None:
        for salt, id in enumerate(("\ufffd", "a", "\U0001f514", "created#a", "B"), 1):
            write(on, salt, described(id))
        write(on, 9, described("a", org="acme-2"))

        def read(after: str, limit: int) -> list[str]:
            return list(on.agent_states.ids("acme", after, limit))

        assert read("", 9) == ["B", "a", "created#a", "\ufffd", "\U0001f514"]
        assert read("", 2) == ["B", "a"]
        assert read("a", 2) == ["created#a", "\ufffd"]
        assert read("A", 1) == ["B"]  # it need not be there
        assert read("\U0001f514", 2) == []
        assert on.agent_states.ids("beta", "", 2) == []

    def test_a_change_is_made_from_where_it_began(self, on: Stores) -> None:
        first = write(on, 1, described("a"))
        assert first
        assert not write(on, 2, described("a"))
        second = write(on, 3, replace(described("a"), retired_at_ms=None), first)
        assert second
        assert not write(on, 4, described("a"), first)
        assert not write(on, 5, described("b"), first)
        found = on.agent_states.get("acme", ["a"])["a"]
        assert (found.change, found.retired_at_ms) == (second, None)

    def test_a_key_is_written_with_it_or_neither(self, on: Stores) -> None:
        key = mint("acme", frozenset({Scope.INGEST}), "n", 7, agent="a")[1]
        assert write(on, 1, described("a"), key=key)
        assert on.keys.get("acme", key.id) == key
        other = mint("acme", frozenset({Scope.INGEST}), "n", 7, agent="a")[1]
        assert not write(on, 2, described("a"), key=other)
        assert on.keys.get("acme", other.id) is None
        assert not write(on, 3, described("b"), key=replace(key, digest=b"another's"))
        assert on.agent_states.get("acme", ["b"]) == {}
