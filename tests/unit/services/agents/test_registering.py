"""Agents created, described and retired: together, with lost answers, and by several at once."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import pytest

from fakes.desk import key
from fakes.stores import FakeAgentStates, FakeClock, FakeJournal, FakeKeyRing, FakeKeys
from tocsin.domain.agents import Profile
from tocsin.domain.errors import Busy, Conflict, OutcomeUnknown
from tocsin.domain.keys import Scope
from tocsin.services.agents.registering import Registering
from tocsin.services.keys.issuing import Issue, Issuing
from tocsin.services.keys.writing import Writing

ADMIN = key(Scope.ADMIN, person="ada")
ISSUE = Issue(scopes=frozenset({Scope.INGEST}), agent="a")


class Register:
    def __init__(self) -> None:
        self.clock, self.journal, self.keys = FakeClock(), FakeJournal(), FakeKeys()
        ring = FakeKeyRing(self.keys, self.journal)
        self.states = FakeAgentStates(ring)
        self.agents = Registering(
            self.states, Issuing(Writing(self.keys, ring, self.clock)), self.clock
        )

    def lose(self, *answers: int, then: Callable[[], object] = lambda: None) -> None:
        """Have these answers of the store lost: 0 is the first."""
        write, calls = self.states.write, iter(range(100))

        def losing(*step: Any) -> bool:
            written = write(*step)
            if next(calls) in answers:
                vars(self.states)["write"] = write
                then()
                vars(self.states)["write"] = losing
                raise OutcomeUnknown("lost")
            return written

        vars(self.states)["write"] = losing

    @property
    def told(self) -> list[dict[str, Any]]:
        batches: list[Any] = list(self.journal.batches.values())
        return [json.loads(entry) for batch in batches for entry in batch.entries]

    @property
    def types(self) -> list[str]:
        return [each["type"] for each in self.told]


@pytest.fixture
def register() -> Register:
    return Register()


DEEDS: dict[str, tuple[Callable[[Registering], object], list[str]]] = {
    "created": (
        lambda agents: agents.create(ADMIN, "a", {"name": "A"}, ISSUE),
        ["agent.created", "tocsin.key_created"],
    ),
    "described": (lambda agents: agents.change(ADMIN, "a", {"name": "A"}), ["agent.updated"]),
    "retired": (lambda agents: agents.retire(ADMIN, "a", "r"), ["agent.revoked"]),
}


@pytest.mark.parametrize(("deed", "types"), DEEDS.values(), ids=DEEDS)
@pytest.mark.parametrize("lost", [(), (0,), (0, 1), (0, 1, 2)], ids=str)
def test_a_lost_answer_does_nothing_twice(
    register: Register,
    deed: Callable[[Registering], object],
    types: list[str],
    lost: tuple[int, ...],
) -> None:
    register.lose(*lost)
    deed(register.agents)
    assert register.types == types
    assert len(register.keys.keys) == types.count("tocsin.key_created")


@pytest.mark.parametrize(("deed", "types"), DEEDS.values(), ids=DEEDS)
def test_what_the_store_did_and_then_refuses_to_repeat_is_ours(
    register: Register, deed: Callable[[Registering], object], types: list[str]
) -> None:
    """As when the SDK asks again, since an answer was lost that nobody here knows of."""
    write, calls = register.states.write, iter(range(100))

    def refusing(*step: Any) -> bool:
        return write(*step) and next(calls) > 0

    vars(register.states)["write"] = refusing
    deed(register.agents)
    assert register.types == types


def test_a_creation_whose_answer_was_lost_and_that_was_changed_since_is_not_denied(
    register: Register,
) -> None:
    register.lose(0, then=lambda: register.agents.change(ADMIN, "a", {"name": "B"}))
    with pytest.raises(OutcomeUnknown):
        register.agents.create(ADMIN, "a", {}, ISSUE)
    assert register.types == ["agent.created", "tocsin.key_created", "agent.updated"]


def test_a_store_that_is_busy_has_done_nothing(register: Register) -> None:
    def busy(*_: object) -> Any:
        raise Busy("throttled")

    vars(register.states)["write"] = busy
    with pytest.raises(Busy):
        register.agents.create(ADMIN, "a", {}, ISSUE)
    assert (register.told, register.keys.keys, register.states.states) == ([], {}, {})


def test_changes_at_once_are_all_made(register: Register) -> None:
    """Each of a field of its own; one that is behind is made again on what it finds."""
    write, lock = register.states.write, Lock()

    def one_at_a_time(*step: Any) -> bool:
        with lock:
            return write(*step)

    vars(register.states)["write"] = one_at_a_time
    changes: list[Profile] = [{"name": "A"}, {"description": "d"}, {"framework": "f"}]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda each: register.agents.change(ADMIN, "a", each), changes))
    state = register.agents.states("acme", ["a"])["a"]
    assert (state.name, state.description, state.framework) == ("A", "d", "f")
    assert register.types == ["agent.updated"] * 3


def test_of_several_who_create_it_one_does(register: Register) -> None:
    write, lock = register.states.write, Lock()

    def one_at_a_time(*step: Any) -> bool:
        with lock:
            return write(*step)

    vars(register.states)["write"] = one_at_a_time

    def create(_: int) -> bool:
        try:
            register.agents.create(ADMIN, "a", {}, ISSUE)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(create, range(8))) == 1
    assert register.types == ["agent.created", "tocsin.key_created"]
    assert len(register.keys.keys) == 1


def test_a_change_in_between_is_kept(register: Register) -> None:
    """Somebody retires it after it was read, and before what was read is written."""
    get, once = register.states.get, iter([True])

    def behind(org: str, ids: Any) -> Any:
        found = dict(get(org, ids))
        if next(once, False):
            register.agents.retire(ADMIN, "a", "r")
        return found

    vars(register.states)["get"] = behind
    state = register.agents.change(ADMIN, "a", {"name": "A"})
    assert (state.name, state.retired) == ("A", True)
    assert register.types == ["agent.revoked", "agent.updated"]


def test_those_who_never_come_to_it_are_told(register: Register) -> None:
    vars(register.states)["write"] = lambda *_: False
    with pytest.raises(Busy, match="others are changing the same agent"):
        register.agents.change(ADMIN, "a", {"name": "A"})
