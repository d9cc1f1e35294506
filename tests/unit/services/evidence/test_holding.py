"""Under a legal hold: what is to expire is copied, all of it, and can be checked."""

import gzip
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from fakes.events import batch
from fakes.stores import FakeJournal
from tocsin.domain.batch import Batch
from tocsin.domain.errors import Busy, HeadMoved, IntegrityError
from tocsin.domain.org import Org
from tocsin.domain.retention import DAY_MS, Retention
from tocsin.domain.tree import Tree
from tocsin.services.evidence import holding
from tocsin.services.evidence.checkpointing import Checkpointing, Report
from tocsin.services.evidence.holding import Holding
from tocsin.services.sealing.seal import seal_batches
from tocsin.wire.log.lines import Line
from unit.services.evidence.test_checkpointing import Shelf
from unit.services.evidence.test_checkpointing import World as Plain

DAYS = 90


class World(Plain):
    """Orgs whose journal keeps what was sent for some days."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.shelf = self.archive = Shelf()
        self.journal = FakeJournal()
        self.orgs.put(Org("acme", held_since_ms=1))

    @property
    def run(self) -> Checkpointing:
        retention = lambda: Retention(self.clock.ms, DAYS)  # noqa: E731
        made = super().run
        made._holding = Holding(self.ledger, self.journal, self.trees, self.shelf, retention)
        return made

    def seal(self, *counts: int, org: str = "acme") -> None:
        for count in counts:
            self.batches += 1
            self.clock.ms += 1_000
            each = batch(org, count, self.clock.ms, self.batches)
            self.journal.batches[org, each.id] = each
            seal_batches(org, [each], self.ledger, self.clock, DAYS)

    def expire(self) -> None:
        """Have the journal drop what is older than it keeps."""
        for key, each in list(self.journal.batches.items()):
            assert isinstance(each, Batch)
            if each.received_at_ms < self.clock.ms - DAYS * DAY_MS:
                del self.journal.batches[key]

    def copied(self, org: str = "acme") -> list[Line]:
        """Return the lines that were copied, in the order of the objects' names."""
        found = list[Line]()
        for path in sorted(self.shelf.files):
            if f"/{org}/entries/" in path:
                assert path in self.shelf.held
                lines = gzip.decompress(self.shelf.files[path]).splitlines()
                first, last = Line.read(lines[0]), Line.read(lines[-1])
                assert path.endswith(f"/{first.seq:016}-{last.seq:016}.jsonl.gz")
                found += map(Line.read, lines)
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def seqs(world: World) -> list[int]:
    return [line.seq for line in world.copied()]


def test_all_that_is_signed_is_copied_as_it_was_hashed_and_only_of_held_orgs(world: World) -> None:
    world.seal(3, 5)
    world.seal(4, org="beta")
    assert world.run().failed == {}
    assert seqs(world) == [*range(1, 9)]
    assert all(line.holds and line.has_event for line in world.copied())
    assert not world.copied("beta")
    assert {path for path in world.shelf.held if "/entries/" not in path} == set()
    world.seal(2)
    world.run()
    assert seqs(world) == [*range(1, 11)]


def test_nothing_is_copied_twice_while_nothing_comes(world: World) -> None:
    world.seal(3)
    world.run()
    puts = world.shelf.puts
    world.run()
    world.run()
    assert world.shelf.puts == puts


def test_it_begins_with_what_is_still_kept(world: World) -> None:
    world.orgs.put(Org("acme"))
    world.seal(3)
    world.run()
    world.clock.ms += (DAYS + 1) * DAY_MS
    world.seal(2)
    world.expire()
    world.orgs.put(Org("acme", held_since_ms=1))
    assert world.run().broken == {}
    assert seqs(world) == [4, 5]


def test_what_was_copied_is_there_when_it_has_expired(world: World) -> None:
    world.seal(3)
    world.run()
    world.clock.ms += (DAYS + 1) * DAY_MS
    world.expire()
    world.seal(1)
    assert world.run().broken == {}
    assert seqs(world) == [1, 2, 3, 4]
    assert all(line.has_event for line in world.copied())


def test_released_and_held_again_it_goes_on(world: World) -> None:
    world.seal(3)
    world.run()
    world.orgs.put(Org("acme"))
    world.seal(2)
    world.run()
    assert seqs(world) == [1, 2, 3]
    world.orgs.put(Org("acme", held_since_ms=1))
    world.run()
    assert seqs(world) == [1, 2, 3, 4, 5]


def test_a_long_ledger_is_copied_in_several_runs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "OBJECT_BYTES", 1)  # then a piece is an object
    monkeypatch.setattr(holding, "STEPS_A_RUN", 2)
    world.seal(*[900] * 4)
    copied = []
    for _ in range(20):
        world.run()
        copied.append(len(world.copied()))
        if copied[-1] == 3_600:
            break
    assert copied[0] < copied[1] <= 3_600
    assert seqs(world) == [*range(1, 3_601)]


def test_without_an_archive_it_is_told_and_signed_all_the_same(tmp_path: Path) -> None:
    plain = Plain(tmp_path)
    plain.orgs.put(Org("acme", held_since_ms=1))
    plain.seal(3)
    report = plain.run()
    assert report.signed == {"acme": 3}
    assert "legal hold" in str(report.failed["acme"])
    assert list(plain.run().failed) == ["acme"]


def test_killed_or_failing_at_any_step_nothing_is_left_out(tmp_path: Path) -> None:
    for fails_at in range(1, 12):
        world = World(tmp_path)
        world.seal(3, 4)
        world.shelf.fails_at = fails_at
        failed = world.run().failed
        assert failed.keys() <= {"acme"}
        world.seal(1)
        world.run()
        world.run()
        assert sorted({line.seq for line in world.copied()}) == [*range(1, 9)]


def test_a_copy_that_is_not_remembered_is_made_again(world: World) -> None:
    world.seal(3)
    grow, lost = world.trees.grow, [True]

    def losing(before: Tree | None, after: Tree, nodes: object) -> None:
        if before is not None and after.held != before.held and lost:
            lost.clear()
            raise HeadMoved
        grow(before, after, nodes)  # type: ignore[arg-type]

    world.trees.grow = losing  # type: ignore[method-assign]
    assert world.run() == Report({"acme": 3}, 3)
    assert world.run() == Report()
    assert seqs(world) == [1, 2, 3]


def test_an_event_that_is_not_what_was_sealed_is_told_and_what_is_before_it_is_copied(
    world: World,
) -> None:
    world.seal(3)
    world.seal(2)
    [*_, last] = world.journal.batches
    found = world.journal.batches[last]
    assert isinstance(found, Batch)
    edited = tuple(each.replace(b"tool-", b"fool-") for each in found.entries)
    world.journal.batches[last] = replace(found, entries=edited)
    report = world.run()
    assert seqs(world) == [1, 2, 3]
    assert isinstance(report.broken["acme"], IntegrityError)
    assert report.signed == {"acme": 5}
    world.journal.batches[last] = found
    assert world.run().broken == {}
    assert seqs(world) == [1, 2, 3, 4, 5]


def test_one_held_org_s_trouble_is_its_own(world: World) -> None:
    class Away(FakeJournal):
        def get(self, org: str, batch_ids: object) -> NoReturn:
            raise Busy("away") if org == "acme" else RuntimeError("ours")

    world.orgs.put(Org("beta", held_since_ms=1))
    world.seal(3)
    world.seal(3, org="beta")
    world.journal = Away()
    report = world.run()
    assert report.signed == {"acme": 3, "beta": 3}
    assert (list(report.failed), list(report.broken)) == (["acme"], ["beta"])


def test_a_ledger_without_events_is_no_fault(world: World) -> None:
    assert world.run() == Report()
