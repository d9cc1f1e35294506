"""What every implementation of the sessions' states does."""

from dataclasses import replace

from support.databases import Stores
from tocsin.domain.ids import new_batch_id
from tocsin.domain.sessions import SessionState, SessionStatus
from tocsin.services.intake.stamp import own_batch


def write(on: Stores, salt: int, state: SessionState, was: str = "") -> str:
    id = new_batch_id(1_774_000_000_000, (salt << 20).to_bytes(10))
    batch, packed = own_batch(state.org, [{"type": "session_update"}], id)
    written = on.session_states.write(replace(state, change=id), was, batch, packed)
    assert (id in on.journal.get(state.org, [id])) is written
    return id if written else ""


def suspended(id: str, org: str = "acme") -> SessionState:
    return SessionState(
        org=org, id=id, status=SessionStatus.SUSPENDED, reason="r", by="maria", at_ms=7
    )


class TestSessionStates:
    def test_a_state_comes_back_as_it_was_written(self, on: Stores) -> None:
        assert on.session_states.get("acme", ["s"]) == {}
        change = write(on, 1, suspended("s"))
        assert on.session_states.get("acme", ["s", "t"]) == {
            "s": replace(suspended("s"), change=change)
        }
        assert on.session_states.get("beta", ["s"]) == {}

    def test_a_change_is_made_from_where_it_began(self, on: Stores) -> None:
        first = write(on, 1, suspended("s"))
        assert first
        assert not write(on, 2, suspended("s"))
        active = replace(suspended("s"), status=SessionStatus.ACTIVE)
        second = write(on, 3, active, first)
        assert second
        assert not write(on, 4, suspended("s"), first)
        assert on.session_states.get("acme", ["s"])["s"].change == second

    def test_the_suspended_ones_are_known(self, on: Stores) -> None:
        assert on.session_states.suspended("acme") == frozenset()
        first, _ = write(on, 1, suspended("s")), write(on, 2, suspended("t"))
        write(on, 3, suspended("u", "beta"))
        assert on.session_states.suspended("acme") == {"s", "t"}
        over = replace(suspended("s"), status=SessionStatus.COMPLETED)
        second = write(on, 4, over, first)
        assert on.session_states.suspended("acme") == {"t"}
        assert write(on, 5, replace(over, status=SessionStatus.ACTIVE), second)
        assert on.session_states.suspended("acme") == {"t"}

    def test_sessions_begin_together_or_not_at_all(self, on: Stores) -> None:
        def begin(salt: int, *ids: str) -> bool:
            id = new_batch_id(1_774_000_000_000, (salt << 20).to_bytes(10))
            batch, packed = own_batch("acme", [{"type": "session_update"}], id)
            states = [SessionState(org="acme", id=each, at_ms=7, change=id) for each in ids]
            begun = on.session_states.begin(states, batch, packed)
            assert (id in on.journal.get("acme", [id])) is begun
            found = on.session_states.get("acme", ids)
            assert not begun or found == {each.id: each for each in states}
            return begun

        assert begin(1, "s", "t/\U0001f600")
        assert not begin(2, "u", "s")
        assert on.session_states.get("acme", ["u"]) == {}
        assert begin(3, *(f"{n}" for n in range(99)))
        assert on.session_states.suspended("acme") == frozenset()
        change = on.session_states.get("acme", ["s"])["s"].change
        assert write(on, 4, suspended("s"), change)
        assert on.session_states.suspended("acme") == {"s"}
