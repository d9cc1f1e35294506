"""Which events a list is of: against the whole ledger, filtered and sorted by hand."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.stores import FakeJournal, FakeLedger, FakeProjections
from fakes.tenant import Tenant
from support.lists import found
from tocsin.domain import canonical, ids
from tocsin.domain.batch import Batch, UnreadableBatch
from tocsin.domain.errors import IntegrityError, Malformed, NotFound
from tocsin.domain.limits import MAX_EVENTS_LOOKED_AT
from tocsin.domain.projection import INDEXES
from tocsin.domain.retention import KEEPS_ALL, Retention
from tocsin.domain.segment import SealedEvent, Segment
from tocsin.domain.times import time_ms
from tocsin.services.reading import past as reading
from tocsin.services.reading import selection
from tocsin.services.reading.past import Past
from tocsin.services.sealing.project import Projector
from tocsin.wire.filters import Filter
from tocsin.wire.page import Order, Page
from unit.services.reading.test_replay import HOUR_MS, change, drop

DAY_MS = 24 * HOUR_MS
NAMES = ("s1", "s2", "s3")
sessions = st.lists(
    st.lists(st.tuples(st.integers(1, 4), st.sampled_from(NAMES)), min_size=1, max_size=4),
    max_size=8,
)


class CountingLedger(FakeLedger):
    """Counts the segments it gives out."""

    def __init__(self) -> None:
        super().__init__()
        self.given = 0

    def segments(self, org: str, from_seq: int, limit: int) -> Sequence[Segment]:
        return self._count(super().segments(org, from_seq, limit))

    def segments_before(self, org: str, until_seq: int, limit: int) -> Sequence[Segment]:
        return self._count(super().segments_before(org, until_seq, limit))

    def _count(self, found: Sequence[Segment]) -> Sequence[Segment]:
        self.given += len(found)
        return found


class CountingJournal(FakeJournal):
    """Remembers how many batches each read was for."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[int] = []

    def get(self, org: str, batch_ids: Sequence[str]) -> Mapping[str, Batch | UnreadableBatch]:
        self.reads.append(len(batch_ids))
        return super().get(org, batch_ids)


class Case:
    """One org's events, and what the lookups find among them."""

    def __init__(self) -> None:
        self.ledger, self.journal = CountingLedger(), CountingJournal()
        self.tenant = Tenant(ledger=self.ledger, journal=self.journal)
        self.projections = FakeProjections()
        self.events: list[SealedEvent] = []
        self.looks_at: int | None = MAX_EVENTS_LOOKED_AT

    def add(self, *counts: int, **fields: object) -> list[SealedEvent]:
        events = self.tenant.add(*counts, **fields)
        self.events += events
        return events

    def project(self) -> None:
        Projector(ledger=self.ledger, journal=self.journal, projections=self.projections)(["acme"])

    def past(self, expired_before_ms: int | None = None, org: str = "acme") -> Past:
        retention = KEEPS_ALL if expired_before_ms is None else Retention(expired_before_ms, 0)
        return Past(self.ledger, self.journal, org, retention, self.looks_at)

    def newest(self, page: Page, **past: Any) -> list[SealedEvent]:
        now_ms = self.tenant.clock.ms
        there = self.past(**past)
        return _joined(found(selection.page_of(there, self.projections, page, now_ms)).read(there))

    def session(self, id: str, page: Page | None = None, **past: Any) -> list[SealedEvent]:
        now_ms = self.tenant.clock.ms
        page = page or Page(filter=Filter(session_id=id))
        there = self.past(**past)
        looking = selection.of_session(there, self.projections, page, now_ms)
        return _joined(found(looking).read(there))

    def one(self, id: str, filter: Filter | None = None, **past: Any) -> SealedEvent:
        return selection.by_id(self.past(**past), id, filter or Filter())


def _joined(steps: Iterable[Sequence[SealedEvent]]) -> list[SealedEvent]:
    return [event for step in steps for event in step]


def seqs(events: Iterable[SealedEvent]) -> list[int]:
    return [event.seq for event in events]


def id_of(event: SealedEvent) -> str:
    return str(canonical.parse(event.entry)["id"])


@pytest.fixture
def case() -> Case:
    return Case()


@given(
    sessions,
    st.sampled_from([None, *NAMES, "s4"]),
    st.integers(1, 20),
    st.integers(0, 5),
    st.integers(0, 8),
    st.none() | st.integers(0, 20),
    st.integers(0, 8),
    st.sampled_from(["asc", "desc"]),
)
def test_a_page_is_what_the_whole_ledger_says(
    shape: list[list[tuple[int, str]]],
    session: str | None,
    limit: int,
    offset: int,
    after: int,
    before: int | None,
    projected: int,
    order: Order,
) -> None:
    case = Case()
    for place, segment in enumerate(shape):
        for count, name in segment:
            case.add(count, session_id=name)
        if place == projected:
            case.project()
    after = min(after, len(case.events))
    filter = Filter(session_id=session)
    wanted = [
        event
        for event in reversed(case.events)
        if event.seq > after and (before is None or event.seq < before) and filter.matches(event)
    ]
    page = Page(limit, offset, before, after=str(after), filter=filter, order=order)
    if order == "asc":
        wanted.reverse()
    assert case.newest(page) == wanted[offset : offset + limit]
    asked = found(selection.page_of(case.past(), case.projections, page, case.tenant.clock.ms))
    assert (
        asked.goes_on is not None or not wanted[offset + limit :]
    )  # a page that may be the last is never lost


def test_a_page_by_timestamp_is_of_what_came_late_too(case: Case) -> None:
    for minute in (30, 10, 20, 10):
        case.add(timestamp=f"2026-03-19T10:{minute}:00.000Z", agent_id="a")
        case.tenant.clock.ms += HOUR_MS
    at_ms = time_ms("2026-03-19T10:10:00.000Z") or 0
    assert seqs(case.newest(Page(from_ms=at_ms, to_ms=at_ms + 1))) == [4, 2]
    assert seqs(case.newest(Page(from_ms=at_ms + 1))) == [3, 1]
    assert seqs(case.newest(Page(to_ms=at_ms + 1, order="asc", limit=1))) == [2]
    assert seqs(case.newest(Page(to_ms=at_ms, filter=Filter(agent_id="a")))) == []


def test_pages_in_either_order_lead_through_everything(case: Case) -> None:
    for number in range(40):
        case.add(3, agent_id="a" if number % 3 else "b")
    orders: tuple[Order, ...] = ("asc", "desc")
    for filter in (Filter(), Filter(agent_id="a")):
        wanted = [event.seq for event in case.events if filter.matches(event)]
        for order in orders:
            seen: list[int] = []
            page = Page(7, filter=filter, order=order)
            while True:
                looked = found(selection.page_of(case.past(), None, page, case.tenant.clock.ms))
                seen += looked.places
                if looked.goes_on is None:
                    break
                if order == "asc":
                    page = replace(page, after=str(looked.goes_on))
                else:
                    page = replace(page, before=looked.goes_on)
            assert seen == (wanted if order == "asc" else wanted[::-1])


def test_a_page_without_a_filter_costs_its_own_segments_however_long_the_ledger(
    case: Case,
) -> None:
    for _ in range(500):
        case.add()
    case.ledger.given = 0
    assert seqs(case.newest(Page(limit=10, offset=300))) == list(range(200, 190, -1))
    assert case.ledger.given <= 20


def test_a_filtered_page_looks_no_further_than_it_must(case: Case) -> None:
    for number in range(500):
        case.add(agent_id="rare" if number % 10 == 0 else "a1")
    case.ledger.given = 0
    newest = case.newest(Page(limit=3, offset=1, filter=Filter(agent_id="rare")))
    assert seqs(newest) == [481, 471, 461]
    assert sum(case.journal.reads) <= 200  # the batches of two pages of segments


def test_a_projected_session_is_found_without_a_look_at_the_rest(case: Case) -> None:
    case.add(3, session_id="old")
    for _ in range(300):
        case.add(session_id="other")
    case.project()
    case.add(session_id="other")
    case.journal.reads.clear()
    page = Page(filter=Filter(session_id="old"))
    assert seqs(case.newest(page)) == [3, 2, 1]
    assert sum(case.journal.reads) <= 2
    case.journal.reads.clear()
    assert case.newest(Page(filter=Filter(session_id="nobody"))) == []
    assert sum(case.journal.reads) <= 1


def test_what_the_projections_do_not_know_yet_is_found(case: Case) -> None:
    case.add(agent_id="a")
    case.project()
    case.add(agent_id="b")
    case.add(agent_id="a")
    assert seqs(case.newest(Page(filter=Filter(agent_id="a")))) == [3, 1]
    assert seqs(case.newest(Page(filter=Filter(agent_id="b")))) == [2]


def test_after_and_since_are_the_cursors_of_streams(case: Case) -> None:
    first, *_ = case.add(3)
    case.tenant.clock.ms += HOUR_MS
    case.add(3)
    assert seqs(case.newest(Page(after="4"))) == [6, 5]
    assert seqs(case.newest(Page(since=id_of(first)))) == [6, 5, 4, 3, 2]
    assert seqs(case.newest(Page(since="2026-03-20T10:00:00Z"))) == [6, 5, 4]
    for page in (Page(after="7"), Page(since="tomorrow")):
        with pytest.raises(Malformed):
            case.newest(page)


def test_a_session_is_in_the_order_of_its_timestamps(case: Case) -> None:
    for second in (3, 1, 2, 1):
        case.add(timestamp=f"2026-03-19T10:00:0{second}.000Z", session_id="s")
        case.add(session_id="other")
    assert seqs(case.session("s")) == [3, 7, 5, 1]


@pytest.mark.parametrize("kept_bytes", [0, 500, 10**6])
def test_a_session_is_whole_and_in_order_when_it_does_not_fit_in_memory(
    case: Case, monkeypatch: pytest.MonkeyPatch, kept_bytes: int
) -> None:
    monkeypatch.setattr(selection, "KEPT_BYTES", kept_bytes)
    monkeypatch.setattr(reading, "STEP_BYTES", 4_000)
    for number in range(200):
        at = f"2026-03-19T10:00:00.{number * 37 % 200:03d}Z"
        case.add(timestamp=at, session_id="s")
    times = [canonical.parse(event.entry)["timestamp"] for event in case.session("s")]
    assert len(times) == 200
    assert times == sorted(times)
    assert (sum(case.journal.reads) > 200) == (kept_bytes < 10**6)  # read again, or kept
    assert len(case.newest(Page(limit=200))) == 200


def test_a_long_answer_comes_in_small_steps(case: Case) -> None:
    for _ in range(60):
        case.add(50, session_id="s", metadata={"text": "x" * 2_000})
    page = Page(limit=1_000)
    for looking in (
        selection.page_of(case.past(), None, page, 0),
        selection.of_session(case.past(), None, Page(filter=Filter(session_id="s")), 0),
    ):
        case.journal.reads.clear()
        steps = found(looking).read(case.past())
        sizes = [sum(len(event.entry) for event in step) for step in steps]
        assert sum(sizes) > 2_000_000
        assert max(sizes) < 2 * reading.STEP_BYTES
        assert max(case.journal.reads) * 50 * 2_400 < 4 * reading.STEP_BYTES


def test_a_page_ends_where_enough_was_looked_at_and_says_where_it_goes_on(case: Case) -> None:
    case.looks_at = 300
    case.add(type="anomaly")
    for _ in range(100):
        case.add(10)
    page = Page(offset=1, limit=2, filter=Filter(types=frozenset({"anomaly"})))
    case.add(type="anomaly")
    lengths = []
    while True:
        case.journal.reads.clear()
        looked = found(selection.page_of(case.past(), None, page, case.tenant.clock.ms))
        lengths.append(len(looked.places))
        assert sum(case.journal.reads) <= 32
        if looked.goes_on is None:
            break
        page = replace(page, before=looked.goes_on, offset=looked.skip)
    assert lengths == [0, 0, 0, 1]
    assert seqs(looked.read(case.past()).__next__()) == [1]


def test_what_is_beyond_the_first_look_is_found_forwards_too(case: Case) -> None:
    case.looks_at = 300
    for _ in range(100):
        case.add(10)
    case.add(agent_id="late", session_id="s")
    page, afters = Page(order="asc", filter=Filter(agent_id="late")), []
    while not (looked := found(selection.page_of(case.past(), None, page, 0))).places:
        assert looked.goes_on is not None
        afters.append(looked.goes_on)
        page = replace(page, after=str(looked.goes_on))
    assert afters == [300, 600, 900]
    assert looked.places == [1_001]
    session = found(selection.of_session(case.past(), None, Page(filter=Filter(session_id="s")), 0))
    assert (session.places, session.goes_on) == ([], 300)


def test_what_is_older_than_the_retention_is_left_out(case: Case) -> None:
    case.add(3, session_id="s")
    (kept,) = case.add(session_id="s")  # the table expires items when it likes
    case.tenant.clock.ms += 2 * DAY_MS
    case.add(2, session_id="s")
    expired = case.tenant.clock.ms - DAY_MS
    drop(case.tenant, 1)
    assert seqs(case.newest(Page(), expired_before_ms=expired)) == [6, 5]
    oldest = Page(limit=1, order="asc")
    assert seqs(case.newest(oldest, expired_before_ms=expired)) == [5]
    oldest = replace(oldest, filter=Filter(session_id="s"))
    assert seqs(case.newest(oldest, expired_before_ms=expired)) == [5]
    assert seqs(case.session("s", expired_before_ms=expired)) == [5, 6]
    page = Page(filter=Filter(action="log", session_id="s"))
    assert seqs(case.newest(page, expired_before_ms=expired)) == [6, 5]
    gone = ids.EVENT_PREFIX + case.ledger.by_org["acme"][1].references[0].batch_id
    for id in (gone, id_of(kept)):
        with pytest.raises(NotFound, match="event not found"):
            case.one(id, expired_before_ms=expired)


def test_what_was_changed_is_not_served(case: Case) -> None:
    case.add(3, session_id="s")
    case.add(3, session_id="t")
    change(case.tenant, 2)
    assert seqs(case.newest(Page(limit=3))) == [6, 5, 4]
    assert seqs(case.newest(Page(limit=3, filter=Filter(session_id="t")))) == [6, 5, 4]
    for page in (Page(limit=6), Page(filter=Filter(session_id="s"))):
        with pytest.raises(IntegrityError, match="seq 2"):
            case.newest(page)
    with pytest.raises(IntegrityError, match="seq 2"):
        case.session("s")
    with pytest.raises(IntegrityError, match="seq 2"):
        case.one(id_of(case.events[0]))


def test_a_segment_that_was_taken_out_is_missed(case: Case) -> None:
    for _ in range(3):
        case.add(2, session_id="s")
    del case.ledger.by_org["acme"][3]
    for page in (Page(), Page(filter=Filter(session_id="s"))):
        with pytest.raises(IntegrityError, match=r"seq [34]"):
            case.newest(page)


def test_a_segment_that_was_put_in_is_noticed(case: Case) -> None:
    for _ in range(3):
        case.add(2, session_id="s")
    other = Tenant()
    other.add(2, session_id="forged")
    other.add(2, session_id="forged")
    case.journal.batches |= other.journal.batches
    case.ledger.by_org["acme"][3] = other.segment(3)
    with pytest.raises(IntegrityError, match="seq 3"):
        case.newest(Page(filter=Filter(session_id="s")))


def test_one_event_by_its_id(case: Case) -> None:
    case.add(3)
    case.add(2, 1, 4)
    case.add(1)
    for event in case.events:
        assert case.one(id_of(event)) == event


def test_what_is_no_event_here_is_not_found(case: Case) -> None:
    case.add(3)
    case.add(3, type="anomaly")
    batch_id = case.ledger.by_org["acme"][1].references[0].batch_id
    beyond = ids.event_ids(batch_id, 5)[4]  # the second of the next batch by its seq
    hidden = Filter(types=frozenset({"anomaly"}))
    for id, filter in [
        ("", None),
        ("evt_", None),
        ("evt_03kz1b4m5os6p7r8t9u0v2x3y", None),
        ("1", None),
        (ids.EVENT_PREFIX + batch_id.upper(), None),
        (ids.EVENT_PREFIX + ids.new_batch_id(1, b"0123456789"), None),
        (beyond, None),
        (id_of(case.events[0]), hidden),
    ]:
        with pytest.raises(NotFound, match=r"^event not found$"):
            case.one(id, filter)


def test_nothing_of_another_org_is_found(case: Case) -> None:
    case.add(3, session_id="s", agent_id="a")
    case.project()
    assert case.newest(Page(), org="beta") == []
    assert case.newest(Page(filter=Filter(session_id="s")), org="beta") == []
    assert case.newest(Page(filter=Filter(agent_id="a")), org="beta") == []
    assert case.session("s", org="beta") == []
    with pytest.raises(NotFound, match=r"^event not found$"):
        case.one(id_of(case.events[0]), org="beta")


def test_who_may_see_no_type_sees_nothing_and_nothing_is_read(case: Case) -> None:
    case.add(3)
    assert case.newest(Page(filter=Filter(types=frozenset()))) == []
    assert case.journal.reads == []


@pytest.mark.parametrize("field", INDEXES.values())
def test_what_is_indexed_can_be_filtered_by_and_is_found_without_looking_at_the_rest(
    case: Case, field: str
) -> None:
    case.add(2, **{field: "wanted"})
    for _ in range(50):
        case.add(2, **{field: "other"})
    case.project()
    case.ledger.given = 0
    wanted: Any = {field: "wanted"}
    page = Page(filter=Filter(**wanted))
    assert seqs(case.newest(page)) == [2, 1]
    assert case.ledger.given < 10
