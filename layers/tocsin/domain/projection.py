"""Projections: what can be rebuilt from sealed events.

There is an item per session, agent and month, and one per day, in all and per agent, model, tool
and provider, which has the hours in it; and one per budget and day or month.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tocsin.domain import canonical
from tocsin.domain.budgets import Budget
from tocsin.domain.calls import NAMED, Call, Pending, figures, is_call, is_error, link_of
from tocsin.domain.reports import Reports, Told, call_key
from tocsin.domain.segment import SealedEvent

__all__ = [
    "BY_DAY",
    "CALLS",
    "HOURLY",
    "INDEXES",
    "KINDS",
    "OTHER",
    "SPENT",
    "Change",
    "Changes",
    "Item",
    "Projected",
    "changes",
    "day_id",
    "hourly",
    "place_of",
]

INDEXES: Final = {"session": "session_id", "agent": "agent_id"}
"""What lists are found by: the kind of the projected item, and the event's field that names it."""

BY_DAY: Final = {name: f"day-{name}" for name in NAMED}
"""What days are broken down by, and the kind of the item: its id is :func:`day_id`."""

SPENT: Final = "spent"
"""The kind of the items that count for budgets: the id is :func:`.budgets.spent_id`."""

CALLS: Final = "calls"
"""The kind of the items that keep what was told of calls: one a run, its id the seq before it."""

KINDS: Final = (*INDEXES, "usage", "day", *BY_DAY.values(), SPENT, CALLS)
"""All kinds of items."""

HOURLY: Final = {"calls": "n", "total_tokens": "t", "cost_nano_usd": "u"}
"""Counters that a day has by the hour, under a letter and the hour: ``n00``, ``n01`` …"""

OTHER: Final = ""
"""The name under which a day counts those that have no item of their own."""

_HOURLY_OF_ALL: Final = HOURLY | {"latency_us": "l", "timed": "m"}
_MAX_ID_BYTES: Final = 1_000  # of a sort key's 1,024
_SEEN_MINUTES: Final = 5  # a list's order costs two writes when it changes

type Item = Mapping[str, int | str]
"""A projected item's attributes."""


@dataclass(frozen=True, slots=True)
class Projected:
    """How far an org's events are projected, into one generation of its items.

    Everything up to ``through_seq`` is. If ``until_seq`` is beyond it, a run up to there was
    claimed, and may have been applied in part. What is beyond ``counted_after`` is counted by the
    day, and the rest only where an older version did; beyond ``linked_after`` the reports of a call
    count once. ``counts`` are of the items of a kind. The last run was claimed at ``claimed_at_ms``
    (Unix time), by the clock of who did; 0: not known.
    """

    through_seq: int = 0
    until_seq: int = 0
    hash: bytes = b""  # of the ledger at through_seq, as it was read; empty: not known
    generation: int = 0
    counted_after: int = field(default=0, compare=False)
    counts: Mapping[str, int] = field(default_factory=dict, compare=False)
    claimed_at_ms: int = field(default=0, compare=False)
    linked_after: int = field(default=0, compare=False)


@dataclass(slots=True)
class Change:
    """What a run of events adds to one projected item.

    The timestamps are those of the first and the last event by seq. ``counters`` are added, and
    ``texts`` replace what is there. A list has the item at ``place``, and not at ``left`` any more;
    both are empty where that stays as it is.
    """

    kind: str
    id: str
    first_seq: int
    first_timestamp: str
    last_seq: int = 0
    last_timestamp: str = ""
    counters: dict[str, int] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    place: str = ""
    left: str = ""

    def add(self, counters: Mapping[str, int], sign: int = 1) -> None:
        """Add to the counters, or take from them."""
        for name, value in counters.items():
            if value:
                self.counters[name] = self.counters.get(name, 0) + sign * value

    def absorb(self, other: "Change") -> None:
        """Add what changes in another item to this one."""
        self.add(other.counters)
        if other.last_seq > self.last_seq:
            self.last_seq, self.last_timestamp = other.last_seq, other.last_timestamp


class Changes:
    """What consecutive events of one org change, one entry per projected item."""

    def __init__(
        self,
        pending: Callable[[str], str] = lambda _: "",
        budgets: Sequence[Budget] = (),
        reports: Reports | None = None,
        linked_after: int = 0,
    ) -> None:
        """Begin; ``pending`` returns what a session's item says of requests without response.

        ``budgets`` are the org's, and ``reports`` what was told of calls before; events up to
        ``linked_after`` are taken for a call each.
        """
        self.reports = reports or Reports()
        self._linked_after = linked_after
        self._budgets = budgets
        self._items: dict[tuple[str, str], Change] = {}
        self._pending_before = pending
        self._pending: dict[str, Pending] = {}

    def __len__(self) -> int:
        """Return how many items change."""
        return len(self._items)

    def add(self, sealed: SealedEvent) -> None:
        """Add what an event changes; events come in the order of their seqs.

        Those that Tocsin wrote are found by their session and their agent, and count nowhere.
        """
        event = canonical.parse(sealed.entry)
        found = [(kind, id) for kind, field in INDEXES.items() if (id := event.get(field))]
        for target in found:
            change = self._touch(target, sealed.seq, event)
            change.texts["seen"] = _seen(event["received_at"])
        if event.get("source") != "tocsin":
            self._count(found, sealed.seq, event)

    def items(self) -> list[Change]:
        """Return the changes, in the order of their first seqs."""
        return list(self._items.values())

    def find(self, kind: str, id: str) -> Change | None:
        """Return what changes in one item."""
        return self._items.get((kind, id))

    def _count(self, found: list[tuple[str, str]], seq: int, event: dict[str, Any]) -> None:
        call, failed = Call.of(event), is_error(event)
        denied = event.get("action") == "deny"
        key = call_key(event) if seq > self._linked_after else b""
        earlier = self.reports.earlier(key, seq, event) if key else None
        told = earlier or Told(0)
        totals = {
            "events": 1,
            "denials": int(denied and not told & Told.DENIED),
            "errors": int(failed and not told & Told.FAILED),
        }
        targets = self._targets(found, call, seq, event)
        for target in targets:
            self._touch(target, seq, event).add(totals)
        for target in found:
            if model := call.names.get("model"):
                self._items[target].texts["last_model"] = model
            if failed:
                self._items[target].texts["last_error_at"] = event["timestamp"]
        if key:
            self.reports.tell(key, seq, call.told(event, told))
        if earlier is not None and event.get("direction") == "request":
            return
        request = self._request_of(event, call)
        if request is not None:
            self._add_call(self._targets(found, request, seq, event), seq, event, request, -1)
            call = request.answered(call)
            targets = self._targets(found, call, seq, event)
        counters = figures(call.untold(told))
        if seq > self._linked_after and not is_call(event):
            counters |= {"calls": 0, "held_calls": 0}
        elif earlier is not None and (request is None or "tool_call_id" not in event):
            # Else it was the request that counted.
            counters |= {"calls": 0, "held_calls": _held_more(call, earlier)}
        self._add(targets, seq, event, call.hour, counters)

    def _targets(
        self, found: list[tuple[str, str]], call: Call, seq: int, event: dict[str, Any]
    ) -> list[tuple[str, str]]:
        """Return the items that count what an event says of a call, ``found`` among them."""
        targets = [*found, *_places(call)]
        if self._budgets:
            names = call.names | {"session": event.get("session_id", "")}
            targets += [
                (SPENT, id)
                for budget in self._budgets
                if budget.counts(names, seq)
                for id in budget.spent(event["received_at"])
            ]
        return targets

    def _request_of(self, event: dict[str, Any], call: Call) -> Call | None:
        """Return the request that an event answers; keep an event that is a request itself."""
        direction, session = event.get("direction"), event.get("session_id")
        if session is None or direction not in ("request", "response"):
            return None
        if session not in self._pending:
            self._pending[session] = Pending(self._pending_before(session))
        pending, link, request = self._pending[session], link_of(event), None
        if direction == "request":
            pending.ask(link, call)
        else:
            request = pending.answer(link)
        self._items["session", session].texts["pending"] = pending.text()
        return request

    def _add_call(
        self,
        targets: list[tuple[str, str]],
        seq: int,
        event: dict[str, Any],
        call: Call,
        sign: int = 1,
    ) -> None:
        self._add(targets, seq, event, call.hour, figures(call), sign)

    def _add(
        self,
        targets: list[tuple[str, str]],
        seq: int,
        event: dict[str, Any],
        hour: int,
        counters: Mapping[str, int],
        sign: int = 1,
    ) -> None:
        for target in targets:
            change = self._touch(target, seq, event)
            change.add(_by_the_hour(target[0], hour, counters), sign)

    def _touch(self, target: tuple[str, str], seq: int, event: dict[str, Any]) -> Change:
        change = self._items.get(target)
        if change is None:
            change = self._items[target] = Change(*target, seq, event["timestamp"])
        change.last_seq, change.last_timestamp = seq, event["timestamp"]
        return change


def changes(events: Iterable[SealedEvent]) -> list[Change]:
    """Return what consecutive events of one org change, one entry per projected item."""
    found = Changes()
    for sealed in events:
        found.add(sealed)
    return found.items()


def day_id(day: str, name: str) -> str:
    """Return the id of a name's item of a day (``2026-11-27``).

    A name that is too long for a key is one of the others.
    """
    id = f"{day}#{name}"
    return id if len(id.encode()) <= _MAX_ID_BYTES else f"{day}#{OTHER}"


def place_of(item: Item) -> str:
    """Return where a list has an item: newest seen last, and then the one that began last."""
    return f"{item['seen']}#{item['first_seq']:016}" if item.get("seen") else ""


def hourly(item: Item, counter: str) -> list[int]:
    """Return one of a day's counters in each of its 24 hours."""
    return [int(item.get(f"{_HOURLY_OF_ALL[counter]}{hour:02}", 0)) for hour in range(24)]


def _places(call: Call) -> list[tuple[str, str]]:
    names = call.names
    by_name = [(of, day_id(call.day, names[name])) for name, of in BY_DAY.items() if name in names]
    return [("usage", call.month), ("day", call.day), *by_name]


def _by_the_hour(kind: str, hour: int, counters: Mapping[str, int]) -> Mapping[str, int]:
    if not kind.startswith("day"):
        return counters
    letters = _HOURLY_OF_ALL if kind == "day" else HOURLY
    kept = {name: counters[name] for name in ("held_calls", "prompt_tokens", "completion_tokens")}
    return kept | {f"{letter}{hour:02}": counters[name] for name, letter in letters.items()}


def _held_more(call: Call, earlier: Told) -> int:
    """Return what a further report of a call adds to those that were not made: 1, 0 or -1."""
    was_held = bool(earlier & (Told.DENIED | Told.ASKED))
    if call.held:
        return int(not was_held)
    return -1 if earlier & Told.ASKED and not earlier & Told.DENIED else 0


def _seen(received_at: str) -> str:
    minute = int(received_at[14:16])
    return f"{received_at[:14]}{minute - minute % _SEEN_MINUTES:02}"
