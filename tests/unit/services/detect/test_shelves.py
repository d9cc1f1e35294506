"""States, many to an item."""

from collections.abc import Mapping, Sequence

import pytest

from tocsin.domain.detect.fold import AGENDA
from tocsin.services.detect import shelves as module
from tocsin.services.detect.shelves import Shelves


class Stored:
    """What is stored, and what was asked for."""

    def __init__(self) -> None:
        self.items: dict[str, bytes] = {}
        self.asked: list[str] = []

    def __call__(self, names: Sequence[str]) -> Mapping[str, bytes]:
        self.asked += names
        return {name: self.items[name] for name in names if name in self.items}


def test_states_come_back_and_no_shelf_is_asked_for_twice() -> None:
    stored = Stored()
    states = {f"agent#{n}": bytes([n]) * n for n in range(200)} | {AGENDA: b"a"}
    stored.items = Shelves(stored).changed(states)
    stored.asked.clear()
    again = Shelves(stored)
    again.fetch(states)
    assert {key: again(key) for key in states} == states
    assert again("agent#unknown") == b""
    assert sorted(set(stored.asked)) == sorted(stored.asked) == sorted(stored.items)


def test_what_was_not_changed_stays() -> None:
    stored = Stored()
    states = {f"agent#{n}": b"1" for n in range(200)}
    stored.items = Shelves(stored).changed(states)
    changed = Shelves(stored).changed({"agent#7": b"2"})
    assert len(changed) == 1
    stored.items |= changed
    again = Shelves(stored)
    assert {key: again(key) for key in states} == states | {"agent#7": b"2"}


def test_all_shelves_and_the_rest_fit_into_a_transaction() -> None:
    """4 MB: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html"""
    written = Shelves(Stored()).changed({f"agent#{n}": bytes(4_000) for n in range(2_000)})
    assert sum(map(len, written.values())) < 3.3 * 1024 * 1024
    assert max(map(len, written.values())) < 390 * 1024
    assert len(written) + 1 + 2 + 33 <= 100  # the agenda; cursor and batch; anomalies


def test_a_full_shelf_forgets_what_was_not_touched_for_longest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_SHELVES", 1)
    monkeypatch.setattr(module, "_MAX_SHELF_BYTES", 100)
    stored = Stored()
    shelves = Shelves(stored)
    shelves.changed({f"{n}": bytes(15) for n in range(5)})
    shelves.changed({"0": bytes(15)})
    shelves.changed({"5": bytes(15)})
    assert [f"{n}" for n in range(6) if shelves(f"{n}")] == ["0", "2", "3", "4", "5"]


@pytest.mark.parametrize("data", [b"\x00", b"\x00\x05ab", b"\x00\x01a", b"\x00\x01\xff\x00\x00"])
def test_a_damaged_shelf_is_empty(data: bytes) -> None:
    stored = Stored()
    stored.items = dict.fromkeys(map(module._shelf_of, ["a"]), data)
    assert Shelves(stored)("a") == b""
