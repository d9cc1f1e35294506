"""States, many to an item."""

from collections.abc import Mapping, Sequence

import pytest

from tocsin.domain.detect.fold import AGENDA
from tocsin.services.detect import shelves as module
from tocsin.services.detect.shelves import Shelves
from tocsin.services.intake.stamp import new_id


class Stored:
    """What is stored, and what was asked for."""

    def __init__(self) -> None:
        self.items: dict[str, bytes] = {}
        self.places: dict[str, str] = {}
        self.left: list[str] = []
        self.asked: list[str] = []

    def shelves(self) -> Shelves:
        return Shelves(self, self.places)

    def write(self, shelves: Shelves, states: Mapping[str, bytes]) -> int:
        """Return how many items were written."""
        before = len(self.items)
        change = new_id(len(self.items) + 1)
        self.places, self.left = shelves.write(states, change, self.items.__setitem__)
        return len(self.items) - before

    def __call__(self, names: Sequence[str]) -> Mapping[str, bytes]:
        self.asked += names
        return {name: self.items[name] for name in names if name in self.items}


def test_states_come_back_and_no_shelf_is_asked_for_twice() -> None:
    stored = Stored()
    states = {f"agent#{n}": bytes([n]) * n for n in range(200)} | {AGENDA: b"a"}
    stored.write(stored.shelves(), states)
    again = stored.shelves()
    again.fetch(states)
    assert {key: again(key) for key in states} == states
    assert again("agent#unknown") == b""
    assert sorted(set(stored.asked)) == sorted(stored.asked) == sorted(stored.items)


def test_what_was_not_changed_stays() -> None:
    stored = Stored()
    states = {f"agent#{n}": b"1" for n in range(200)}
    stored.write(stored.shelves(), states)
    before = dict(stored.items)
    assert stored.write(stored.shelves(), {"agent#7": b"2"}) == 1
    assert stored.items | before == stored.items  # what is there stays as it is
    assert len(stored.left) == 1 and stored.left[0] in before
    again = stored.shelves()
    assert {key: again(key) for key in states} == states | {"agent#7": b"2"}


def test_five_thousand_subjects_fit_and_each_shelf_into_an_item() -> None:
    stored = Stored()
    stored.write(stored.shelves(), {f"agent#{n}": bytes(2_500) for n in range(5_000)})
    again = stored.shelves()
    assert all(len(again(f"agent#{n}")) == 2_500 for n in range(5_000))
    assert max(map(len, stored.items.values())) < 390 * 1024


def test_a_full_shelf_forgets_what_was_not_touched_for_longest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_SHELVES", 1)
    monkeypatch.setattr(module, "_MAX_SHELF_BYTES", 100)
    stored = Stored()
    shelves = stored.shelves()
    stored.write(shelves, {f"{n}": bytes(15) for n in range(5)})
    stored.write(shelves, {"0": bytes(15)})
    stored.write(shelves, {"5": bytes(15)})
    assert [f"{n}" for n in range(6) if shelves(f"{n}")] == ["0", "2", "3", "4", "5"]


@pytest.mark.parametrize("data", [b"\x00", b"\x00\x05ab", b"\x00\x01a", b"\x00\x01\xff\x00\x00"])
def test_a_damaged_shelf_is_empty(data: bytes) -> None:
    stored = Stored()
    stored.items, stored.places = {"place": data}, {module._shelf_of("a"): "place"}
    assert stored.shelves()("a") == b""
