"""The sweeper seals what the stream never delivered, and looks at nothing twice."""

from collections.abc import Sequence

from fakes.events import batch
from fakes.stores import (
    FakeClock,
    FakeJournal,
    FakeLedger,
    FakeOrgs,
    FakeSetAside,
)
from tocsin.domain.batch import Batch, StoredBatch, UnreadableBatch
from tocsin.domain.errors import Busy
from tocsin.domain.org import Org
from tocsin.domain.segment import Head
from tocsin.services.sealing.fanout import Fanout
from tocsin.services.sealing.sweep import Sweep

NOW_MS = 1_774_000_000_000
MINUTE_MS = 60_000


class CountingJournal(FakeJournal):
    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []

    def between(self, org: str, after_id: str, until_id: str, limit: int) -> Sequence[StoredBatch]:
        found = super().between(org, after_id, until_id, limit)
        self.read += [each.id for each in found]
        return found


class World:
    def __init__(self, ledger: FakeLedger | None = None) -> None:
        self.clock = FakeClock(NOW_MS)
        self.journal = CountingJournal()
        self.ledger = ledger or FakeLedger()
        self.orgs = FakeOrgs()
        self.set_aside = FakeSetAside()
        self.orgs.put(Org("acme"))
        self.fanout = Fanout(
            ledger=self.ledger,
            set_aside=self.set_aside,
            broker=None,
            clock=self.clock,
        )
        self.sweep = Sweep(
            orgs=self.orgs, journal=self.journal, fanout=self.fanout, clock=self.clock
        )

    def accept(self, minutes_ago: int, org: str = "acme", salt: int = 0) -> Batch:
        each = batch(org, at_ms=self.clock.ms - minutes_ago * MINUTE_MS, salt=salt)
        self.journal.put(each, b"")
        return each

    def sealed(self, *batches: Batch) -> list[bool]:
        return [each.id in self.ledger.first_seqs(each.org, [each.id]) for each in batches]


def test_what_is_ten_minutes_old_is_sealed() -> None:
    world = World()
    old, young = world.accept(11), world.accept(9)
    (report,) = world.sweep()
    assert report.sealed_events == 1 and world.sealed(old, young) == [True, False]


def test_what_was_sealed_is_not_sealed_again() -> None:
    world = World()
    old = world.accept(11)
    world.sweep()
    world.orgs.swept.clear()
    (report,) = world.sweep()
    assert report.sealed_events == 0 and world.ledger.head("acme").seq == 1
    assert world.sealed(old) == [True]


def test_the_next_sweep_goes_on_where_this_one_ended() -> None:
    world = World()
    old = world.accept(20)
    world.sweep()
    new = world.accept(15, salt=1)
    world.sweep()
    assert world.journal.read == [old.id, new.id]


def test_an_eager_sweep_does_not_skip_a_request_that_is_still_writing() -> None:
    world = World()
    world.accept(1)
    world.sweep(min_age_ms=0)
    late = world.accept(2, salt=1)  # its id is older than the one just swept
    world.sweep(min_age_ms=0)
    assert world.sealed(late) == [True]


def test_an_org_that_must_wait_is_swept_again_and_holds_up_no_other() -> None:
    class Throttled(FakeLedger):
        def head(self, org: str) -> Head:
            if org == "acme":
                raise Busy("throttled")
            return super().head(org)

    world = World(Throttled())
    world.orgs.put(Org("beta"))
    stuck, fine = world.accept(11), world.accept(11, "beta")
    reports = world.sweep()
    assert [list(report.failed) for report in reports] == [["acme"], []]
    assert world.sealed(stuck, fine) == [False, True]
    assert world.orgs.swept_until("acme") == ""


def test_an_unreadable_item_is_set_aside_and_passed() -> None:
    world = World()
    broken = batch(at_ms=NOW_MS - 20 * MINUTE_MS)
    world.journal.batches["acme", broken.id] = UnreadableBatch("acme", broken.id, "why")
    fine = world.accept(15)
    (report,) = world.sweep()
    assert report.set_aside == 1
    assert [item.batch_id for item in world.set_aside.all("acme")] == [broken.id]
    assert world.sealed(fine) == [True] and world.orgs.swept_until("acme") == fine.id


def test_what_the_fan_out_has_set_aside_is_counted_once() -> None:
    world = World()
    broken = UnreadableBatch("acme", batch(at_ms=NOW_MS - 20 * MINUTE_MS).id, "why")
    world.journal.batches["acme", broken.id] = broken
    assert world.fanout([broken]).set_aside == 1
    (report,) = world.sweep()
    assert report.set_aside == 0


def test_more_than_a_page() -> None:
    world = World()
    many = [world.accept(11, salt=salt) for salt in range(250)]
    world.sweep()
    assert all(world.sealed(*many))
