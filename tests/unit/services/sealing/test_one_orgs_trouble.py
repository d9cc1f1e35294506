"""Whatever one org's data raises, the others go on, and somebody is told."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import pytest

from fakes.events import batch
from fakes.stores import FakeClock, FakeJournal, FakeLedger, FakeOrgs, FakeProjections, FakeSetAside
from tocsin.domain.batch import Batch, StoredBatch
from tocsin.domain.errors import Busy, IntegrityError
from tocsin.domain.org import Org
from tocsin.domain.retention import DAY_MS, Retention
from tocsin.domain.segment import Markers
from tocsin.services.reading import replay, verification
from tocsin.services.sealing.fanout import BYTES_AT_ONCE, Fanout
from tocsin.services.sealing.project import Projector
from tocsin.services.sealing.seal import seal_batches
from tocsin.services.sealing.sweep import Sweep


class Cursed(FakeLedger):
    """A ledger of which one org's items raise."""

    error: Exception | None = None

    def markers(self, org: str, batch_ids: Iterable[str]) -> Markers:
        if self.error and org == "cursed":
            raise self.error
        return super().markers(org, batch_ids)


def fanout(ledger: FakeLedger, clock: FakeClock) -> Fanout:
    return Fanout(ledger=ledger, set_aside=FakeSetAside(), broker=None, clock=clock)


@pytest.mark.parametrize(
    "error", [OverflowError("1e300"), KeyError("batches"), IntegrityError("cursed", 1, "no")]
)
def test_fan_out_and_sweeper_pass_over_an_org_that_raises(error: Exception) -> None:
    ledger, clock, orgs, journal = Cursed(), FakeClock(), FakeOrgs(), FakeJournal()
    ledger.error = error
    batches = [batch("cursed", at_ms=clock.ms), batch("other", at_ms=clock.ms)]
    report = fanout(ledger, clock)(batches)
    assert (report.broken, report.failed) == ({"cursed": error}, {})
    assert report.counts["BrokenOrgs"] == 1
    assert ledger.head("other").seq == 1
    for each in batches:
        journal.put(each, b"")
        orgs.put(Org(each.org))
    sweep = Sweep(orgs=orgs, journal=journal, fanout=fanout(ledger, clock), clock=clock)
    assert [each.broken for each in sweep(0) if each.broken] == [{"cursed": error}]
    assert orgs.swept_until("cursed") == ""
    ledger.error = None
    clock.ms += 3_600_000
    sweep()
    assert ledger.head("cursed").seq == 1


def test_a_sweep_goes_on_when_an_org_s_journal_can_not_be_read() -> None:
    class Failing(FakeJournal):
        def between(self, org: str, after_id: str, until_id: str, limit: int) -> list[StoredBatch]:
            if org == "cursed":
                raise ValueError("malformed")
            if org == "busy":
                raise Busy("throttled")
            return list(super().between(org, after_id, until_id, limit))

    ledger, clock, orgs, journal = FakeLedger(), FakeClock(), FakeOrgs(), Failing()
    for org in ("busy", "cursed", "other"):
        orgs.put(Org(org))
        journal.put(batch(org, at_ms=clock.ms), b"")
    sweep = Sweep(orgs=orgs, journal=journal, fanout=fanout(ledger, clock), clock=clock)
    reports = sweep(0)
    assert [list(each.broken) for each in reports if each.broken] == [["cursed"]]
    assert [list(each.failed) for each in reports if each.failed] == [["busy"]]
    assert ledger.head("other").seq == 1


def projector(ledger: FakeLedger, journal: FakeJournal, projections: FakeProjections) -> Projector:
    return Projector(ledger=ledger, journal=journal, projections=projections)


def test_projections_of_costs_beyond_all_measure_stay_within_a_table_s_numbers() -> None:
    ledger, journal, projections, clock = (
        FakeLedger(),
        FakeJournal(),
        FakeProjections(),
        FakeClock(),
    )
    for salt, cost in enumerate((1e300, 1.7e308, -1e300, 0.5)):
        one = batch("acme", at_ms=clock.ms, salt=salt, cost_usd=cost)
        journal.put(one, b"")
        fanout(ledger, clock)([one])
    report = projector(ledger, journal, projections)(["acme"])
    assert (report.broken, report.failed) == ({}, {})
    item = projections.get("acme", "agent", "a1")
    assert item is not None
    assert item["cost_nano_usd"] == 10**18 + 500_000_000


def test_a_ledger_that_was_cut_off_or_exchanged_is_noticed_by_the_projections() -> None:
    ledger, journal, projections, clock = (
        FakeLedger(),
        FakeJournal(),
        FakeProjections(),
        FakeClock(),
    )
    for salt in range(3):
        one = batch("acme", at_ms=clock.ms, salt=salt)
        journal.put(one, b"")
        fanout(ledger, clock)([one])
    project = projector(ledger, journal, projections)
    assert project(["acme"]).broken == {}
    last = ledger.by_org["acme"].pop(3)
    found = project(["acme"]).broken["acme"]
    assert isinstance(found, IntegrityError) and found.seq == 3
    with pytest.raises(IntegrityError, match="seq 3"):
        verification.verify(ledger, journal, "acme", projections=projections)
    ledger.by_org["acme"][3] = replace(last, hash_after=bytes(32))
    assert "acme" in project(["acme"]).broken
    ledger.by_org["acme"][3] = last
    assert project(["acme"]).broken == {}


def test_a_retention_that_is_raised_later_does_not_make_expiry_look_like_tampering() -> None:
    ledger, journal, clock = FakeLedger(), FakeJournal(), FakeClock()
    for salt in range(2):
        one = batch("acme", at_ms=clock.ms, salt=salt)
        journal.put(one, b"")
        seal_batches("acme", [one], ledger, clock, kept_days=30)
        clock.ms += 40 * DAY_MS
    journal.batches.pop(("acme", ledger.by_org["acme"][1].references[0].batch_id))
    now = Retention(clock.ms, 90)
    verified = verification.verify(ledger, journal, "acme", retention=now)
    assert (verified.last_seq, verified.expired) == (2, 1)
    with pytest.raises(replay.Expired) as expired:
        replay.read(ledger, journal, "acme", 0, retention=now)
    assert expired.value.first_seq == 2
    with pytest.raises(IntegrityError):
        verification.verify(
            ledger, journal, "acme", retention=Retention(clock.ms - 60 * DAY_MS, 90)
        )


def test_projections_are_rebuilt_from_what_the_journal_still_has() -> None:
    ledger, journal, projections, clock = (
        FakeLedger(),
        FakeJournal(),
        FakeProjections(),
        FakeClock(),
    )
    for salt in range(4):
        one = batch("acme", 2, at_ms=clock.ms, salt=salt)
        journal.put(one, b"")
        fanout(ledger, clock)([one])
        clock.ms += 10 * DAY_MS
    for first_seq in (1, 3):
        journal.batches.pop(("acme", ledger.by_org["acme"][first_seq].references[0].batch_id))
    rebuilt = Projector(
        ledger=ledger,
        journal=journal,
        projections=projections,
        retention=lambda: Retention(clock.ms, 25),
    )
    assert rebuilt(["acme"]).broken == {}
    item = projections.get("acme", "agent", "a1")
    assert item is not None
    assert (item["events"], item["first_seq"], item["last_seq"]) == (4, 5, 8)
    assert projections.cursor("acme").through_seq == 8


def test_no_more_is_unpacked_at_once_than_can_be_held() -> None:
    ledger, clock = FakeLedger(), FakeClock()
    held = most = 0

    class Held(Batch):
        def __del__(self) -> None:
            nonlocal held
            held -= 1

    def unpack(salt: int) -> Batch:
        nonlocal held, most
        one = batch("acme", 8, clock.ms, salt, metadata={"x": "y" * 250_000})
        held += 1
        most = max(most, held)
        return Held(one.org, one.id, one.entries, one.key_id, one.received_at_ms)

    ids = [batch("acme", 1, clock.ms, salt).id for salt in range(60)]
    received = [StoredBatch("acme", id, partial(unpack, salt)) for salt, id in enumerate(ids)]
    report = fanout(ledger, clock)(reversed(received))
    assert report.sealed_events == 480
    assert most <= 2 * BYTES_AT_ONCE // 2_000_000 + 2
    sealed = [r.batch_id for s in ledger.by_org["acme"].values() for r in s.references]
    assert sealed == ids


def test_a_batch_is_sealed_once_though_its_marker_is_visible_later_than_its_segment() -> None:
    class Late(FakeLedger):
        """Shows a segment, and its markers one read later, as reads outside transactions may."""

        hidden = 0

        def markers(self, org: str, batch_ids: Iterable[str]) -> Markers:
            if self.hidden:
                self.hidden -= 1
                return Markers({}, {})
            return super().markers(org, batch_ids)

    ledger, clock = Late(), FakeClock()
    one = batch("acme", 3, clock.ms)
    seal_batches("acme", [one], ledger, clock)
    ledger.hidden = 1
    sealed = seal_batches("acme", [one], ledger, clock)
    assert (sealed.fresh, sealed.conflicts) == ([], 1)
    assert sealed.earlier == {one.id: range(1, 4)}
