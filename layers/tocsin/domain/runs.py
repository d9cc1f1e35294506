"""What a run of events does to items, in view of what they were before it.

Whoever repeats a run decides the same: what an item has of that run already is told apart from what
it had before.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from tocsin.domain.limits import MAX_NAMES_PER_DAY
from tocsin.domain.projection import (
    BY_DAY,
    INDEXES,
    OTHER,
    Change,
    Item,
    Projected,
    day_id,
    place_of,
)

__all__ = ["BOOKKEEPING", "before", "keys_of", "settled"]

_KEPT: Final = {"seen": "seen_before", "pending": "pending_before"}
BOOKKEEPING: Final = frozenset({"through_seq", *_KEPT.values()})
"""Attributes that depend on where runs end: all others follow from the events alone."""

_NAMES: Final = {kind: f"names_{name}" for name, kind in BY_DAY.items()}

type _Key = tuple[str, str]


def before(item: Item | None, run: Projected) -> Item:
    """Return an item as it was before a run that it may have had; empty: it was not there."""
    if item is None or int(item["first_seq"]) > run.through_seq:
        return {}
    if int(item["through_seq"]) <= run.through_seq:
        return item
    return {**item, **{name: item.get(kept, "") for name, kept in _KEPT.items()}}


def keys_of(changes: Iterable[Change]) -> list[_Key]:
    """Return the items that :func:`settled` must know: not the months, which depend on nothing."""
    return [(each.kind, each.id) for each in changes if each.kind != "usage"]


def settled(changes: Iterable[Change], were: Mapping[_Key, Item]) -> list[Change]:
    """Return what is to be written: the days last, since they count the names.

    ``were`` holds those items that were there before the run.
    """
    kept: dict[_Key, Change] = {}
    days: dict[str, Change] = {}
    new: Counter[_Key] = Counter()  # of a day: the counter of a kind's names
    for change in changes:
        if change.kind == "day":
            days[change.id] = change
            continue
        if change.kind in INDEXES:
            _move(change, were.get((change.kind, change.id), {}))
        elif change.kind in _NAMES and (change.kind, change.id) not in were:
            day, _, name = change.id.partition("#")
            names = _NAMES[change.kind]
            known = int(were.get(("day", day), {}).get(names, 0)) + new[day, names]
            if name != OTHER and known < MAX_NAMES_PER_DAY:
                new[day, names] += 1
            else:
                change.id = day_id(day, OTHER)
        if (same := kept.setdefault((change.kind, change.id), change)) is not change:
            same.absorb(change)
    for (day, names), count in new.items():
        days[day].add({names: count})
    return [*kept.values(), *days.values()]


def _move(change: Change, was: Item) -> None:
    seen, first_seq = change.texts["seen"], was.get("first_seq", change.first_seq)
    for name, kept in _KEPT.items():
        if name in change.texts:
            change.texts[kept] = str(was.get(name, ""))
    place, left = place_of({"seen": seen, "first_seq": first_seq}), place_of(was)
    if place != left:
        change.place, change.left = place, left
