"""Checkpoints of ledgers that grow, are rewritten, cut, or can't be read."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, override

import pytest

from fakes.events import batch
from fakes.stores import FakeArchive, FakeClock, FakeLedger, FakeOrgs, FakeTrees
from tocsin.adapters.key_file import KeyFile
from tocsin.domain.batch import Batch
from tocsin.domain.canonical import parse
from tocsin.domain.errors import Busy, IntegrityError
from tocsin.domain.merkle import Node, Peaks, check_consistency, consistency
from tocsin.domain.org import Org, OrgStatus
from tocsin.domain.segment import Segment
from tocsin.domain.tree import LogKey, Tree
from tocsin.ports.evidence import Archive, Signer
from tocsin.services.evidence import archiving, checkpointing
from tocsin.services.evidence.checkpointing import Checkpointing, Report
from tocsin.services.evidence.nodes import Nodes
from tocsin.services.sealing.seal import seal_batches
from tocsin.wire.log.checkpoints import Checkpoint
from tocsin.wire.log.keys import KeyType, Verifier
from tocsin.wire.log.notes import Note, opened
from tocsin.wire.log.policies import Policy
from tocsin.wire.log.texts import to_base64
from tocsin.wire.log.tiles import read_hashes, tiles


@dataclass
class World:
    home: Path
    orgs: FakeOrgs = field(default_factory=FakeOrgs)
    ledger: FakeLedger = field(default_factory=FakeLedger)
    trees: FakeTrees = field(default_factory=FakeTrees)
    clock: FakeClock = field(default_factory=FakeClock)
    archive: Archive | None = None
    anchored: frozenset[str] | None = frozenset()
    batches: int = 0

    def is_anchored(self, org: str) -> bool:
        if self.anchored is None:
            raise Busy("away")
        return org in self.anchored

    def __post_init__(self) -> None:
        for org in ("acme", "beta"):
            self.orgs.put(Org(org))

    @property
    def signer(self) -> Signer:
        return KeyFile(self.home / "key")

    @property
    def run(self) -> Checkpointing:
        return Checkpointing(
            orgs=self.orgs,
            ledger=self.ledger,
            trees=self.trees,
            signers=[self.signer],
            clock=self.clock,
            archive=self.archive,
            anchored=self.is_anchored,
        )

    def seal(self, *counts: int, org: str = "acme") -> None:
        """Seal batches, each in a segment of its own."""
        for count in counts:
            self.batches += 1
            self.clock.ms += 1_000
            each = batch(org, count, self.clock.ms, self.batches)
            seal_batches(org, [each], self.ledger, self.clock)

    def leaves(self, org: str = "acme") -> list[bytes]:
        return [leaf for each in self.ledger.segments(org, 1, 10**6) for leaf in each.leaves]

    def checkpoint(self, org: str = "acme", covering: int = 0) -> Checkpoint:
        """Return a stored checkpoint as who trusts the key reads it."""
        kept = self.trees.checkpoint(org, covering)
        assert kept is not None
        tree = self.trees.get(org)
        assert tree is not None
        key = Verifier(tree.origin, KeyType.ED25519, self.signer.public_key)
        text, _ = opened(kept.note.encode(), [key])
        return Checkpoint.read(text)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_ledger_that_moved_is_signed(world: World) -> None:
    assert world.run().signed == {}
    world.seal(3, 5)
    world.seal(1, org="beta")
    report = world.run()
    assert (report.signed, report.events) == ({"acme": 8, "beta": 1}, 9)
    assert world.run().signed == {}
    first = world.checkpoint()
    assert (first.size, first.root) == (8, Peaks().grown(world.leaves())[0].root)
    assert first.origin.endswith("/acme")
    assert world.checkpoint("beta").origin.endswith("/beta")
    world.seal(700, 24)
    assert world.run().signed == {"acme": 732}
    last = world.checkpoint()
    hashes = Nodes(world.ledger, world.trees, "acme", 732)
    proof = consistency(8, 732, hashes)
    check_consistency(8, first.root, 732, last.root, proof)
    assert last.origin == first.origin
    assert [node[1:] for node in world.trees.kept] == [(8, 0), (8, 1)]


def test_an_org_that_is_gone_is_left_alone(world: World) -> None:
    world.seal(3)
    world.orgs.put(Org("acme", status=OrgStatus.DELETED))
    assert world.run().signed == {}


def test_a_long_ledger_grows_in_steps(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpointing, "MOST_NODES", 4)
    monkeypatch.setattr(checkpointing, "EVENTS_AT_ONCE", 2_500)
    world.seal(*[1_000] * 6, 12)
    sizes = [world.run().signed.get("acme") for _ in range(4)]
    assert sizes == [3_000, 6_000, 6_012, None]
    assert world.checkpoint().root == Peaks().grown(world.leaves())[0].root
    for size in (3_000, 6_000):
        assert world.checkpoint(covering=size).root == Peaks().grown(world.leaves()[:size])[0].root


class Dies(Exception):
    """The process was killed."""


class DyingTrees(FakeTrees):
    """Dies at a call, before it is done or after."""

    def __init__(self) -> None:
        super().__init__()
        self.dies_at: int | None = None
        self.calls = 0

    @override
    def grow(self, before: Tree | None, after: Tree, nodes: Sequence[Node]) -> None:
        self._maybe_die()
        super().grow(before, after, nodes)
        self._maybe_die()

    @override
    def sign(self, *what: Any) -> None:
        self._maybe_die()
        super().sign(*what)
        self._maybe_die()

    def _maybe_die(self) -> None:
        self.calls += 1
        if self.calls == self.dies_at:
            raise Dies


def test_whatever_step_is_the_last_the_next_run_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpointing, "MOST_NODES", 2)
    steps = 0
    for dies_at in range(1, 100):
        trees = DyingTrees()
        world.trees, trees.dies_at = trees, dies_at
        if dies_at == 1:
            world.seal(300, 300, 300)
        report = world.run()
        if not report.broken:
            break
        steps = dies_at
        assert isinstance(report.broken["acme"], Dies)
        after = world.run()
        assert not after.broken
        assert world.checkpoint().root == Peaks().grown(world.leaves())[0].root
        assert [each.size for each in trees.checkpoints("acme", 0, 10**9)] == [900]
    assert steps >= 6


def test_several_runs_at_once_sign_one_tree(world: World) -> None:
    world.seal(*[100] * 12)
    started = threading.Barrier(4)
    reports = []

    def run() -> None:
        started.wait()
        reports.append(world.run())

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not any(report.broken or report.failed for report in reports)
    world.run()
    assert world.checkpoint().size == 1_200
    assert world.checkpoint().root == Peaks().grown(world.leaves())[0].root


def forge(world: World, place: int, leaf: bytes = b"x" * 32) -> None:
    """Change a leaf, and compute all hashes from there on anew."""
    from tocsin.domain import chain

    segments = world.ledger.by_org["acme"]
    before: bytes | None = None
    for first, segment in sorted(segments.items()):
        leaves = [*segment.leaves]
        if 0 <= place - first < len(leaves):
            leaves[place - first] = leaf
        start = before or segment.hash_before
        hashes = [start, *chain.extend(start, leaves)]
        segments[first] = replace(
            segment, leaves=tuple(leaves), hash_before=hashes[0], hash_after=hashes[-1]
        )
        before = hashes[-1]


@pytest.mark.parametrize("place", [1, 4, 8])
def test_a_ledger_that_was_rewritten_is_not_signed(world: World, place: int) -> None:
    world.seal(4, 4)
    world.run()
    before = world.checkpoint()
    forge(world, place)
    for more in (0, 3):
        if more:
            world.seal(more)
        broken = world.run().broken["acme"]
        assert isinstance(broken, IntegrityError)
        assert world.checkpoint() == before


def test_a_ledger_whose_end_was_cut_off_is_not_signed(world: World) -> None:
    world.seal(4, 4, 2)
    world.run()
    last = max(world.ledger.by_org["acme"])
    del world.ledger.by_org["acme"][last]
    broken = world.run().broken["acme"]
    assert isinstance(broken, IntegrityError)
    assert broken.seq == 9
    world.ledger.by_org["acme"].clear()
    broken = world.run().broken["acme"]
    assert isinstance(broken, IntegrityError)
    assert broken.seq == 1


def test_what_is_broken_of_one_org_holds_up_no_other(world: World) -> None:
    world.seal(4, 4)
    world.seal(2, org="beta")
    del world.ledger.by_org["acme"][1]
    report = world.run()
    assert (report.signed, [*report.broken]) == ({"beta": 2}, ["acme"])


def test_what_can_t_be_signed_now_is_signed_later(world: World) -> None:
    class Away(Signer):
        @property
        def public_key(self) -> bytes:
            raise Busy("away")

        def sign(self, message: bytes) -> bytes:
            raise Busy("away")

    world.seal(4)
    run = Checkpointing(
        orgs=world.orgs,
        ledger=world.ledger,
        trees=world.trees,
        signers=[Away()],
        clock=world.clock,
    )
    assert [*run().failed] == ["acme"]
    assert world.run().signed == {"acme": 4}


def test_orgs_for_which_there_is_no_time_come_first_another_time(world: World) -> None:
    world.seal(1)
    world.seal(1, org="beta")
    seen = list[str]()
    for _ in range(2):
        left = iter([True])
        seen += world.run(lambda left=left: next(left, False)).signed  # type: ignore[misc]
        world.clock.ms += 60_000
    assert sorted(seen) == ["acme", "beta"]


def test_keys_are_replaced_one_beside_the_other(world: World) -> None:
    old, new = KeyFile(world.home / "old"), KeyFile(world.home / "new")

    def run(*signers: Signer) -> None:
        world.seal(2)
        world.clock.ms += 1_000
        report = Checkpointing(
            orgs=world.orgs,
            ledger=world.ledger,
            trees=world.trees,
            signers=signers,
            clock=world.clock,
        )()
        assert report.signed == {"acme": world.ledger.head("acme").seq}

    for signers in ((old,), (new, old), (new, old), (new,), (new,)):
        run(*signers)
    tree = world.trees.get("acme")
    assert tree is not None
    of_old, of_new = (
        Verifier(tree.origin, KeyType.ED25519, signer.public_key) for signer in (old, new)
    )
    signed = {2: [of_old], 4: [of_new, of_old], 6: [of_new, of_old], 8: [of_new], 10: [of_new]}
    for size, keys in signed.items():
        kept = world.trees.checkpoint("acme", size)
        assert kept is not None
        _, found = opened(kept.note.encode(), [of_old, of_new])
        assert [each.key for each in found] == keys

    def plain() -> list[LogKey]:
        return [key for key in world.trees.keys("acme") if key.verifier in told]

    told = {str(of_old), str(of_new)}
    first, second = plain()
    assert (first.verifier, first.since_size, first.until_size) == (str(of_old), 2, 8)
    assert (second.verifier, second.since_size, second.until_size) == (str(of_new), 4, None)
    run(old)  # back, though it had ended
    assert [each.until_size for each in plain()] == [8, 12, None]
    timed = [key for key in world.trees.keys("acme") if key.verifier not in told]
    assert [each.until_size for each in timed] == [8, 12, None]


@pytest.mark.parametrize("alone", [False, True])
def test_a_key_of_ml_dsa_44_signs_beside_one_of_ed25519_or_alone(world: World, alone: bool) -> None:
    """Each checkpoint, as a cosigner of its own log: https://c2sp.org/tlog-checkpoint#signatures"""
    plain, quantum = KeyFile(world.home / "key"), KeyFile(world.home / "key.ml-dsa-44")
    world.archive = FakeArchive()

    def run(*signers: Signer) -> Report:
        return Checkpointing(
            orgs=world.orgs,
            ledger=world.ledger,
            trees=world.trees,
            signers=signers,
            clock=world.clock,
            archive=world.archive,
        )()

    signers = [quantum] if alone else [plain, quantum]
    world.seal(2)
    if not alone:
        assert run(plain).signed == {"acme": 2}
    for size in (5, 8):
        world.seal(3)
        world.clock.ms += 60_000
        assert run(*signers).signed == {"acme": size}
        kept, tree = world.trees.checkpoint("acme"), world.trees.get("acme")
        assert kept is not None and tree is not None
        key = Verifier(tree.origin, KeyType.ML_DSA_44, quantum.public_key)
        other = Verifier(tree.origin, KeyType.ED25519, plain.public_key)
        for trusted in ([key], [key, other], *([] if alone else [[other]])):
            lines = [f"log {each}\n" for each in trusted]
            found = Policy.read("".join([*lines, "quorum none\n"]).encode()).check(
                kept.note.encode()
            )
            assert (found.checkpoint.size, len(found.logs)) == (size, 1 if alone else len(trusted))
        [signed] = Note.read(kept.note.encode()).verified([key])
        assert signed.at_s == kept.made_at_ms // 1_000
        assert str(key) in tree.keys
    # One that lacks the signature is not gone on with.
    last = world.trees.signed["acme"][max(world.trees.signed["acme"])]
    note = Note.read(last.note.encode())
    rest = tuple(each for each in note.signatures if each.key_id != key.id)
    place = max(world.trees.signed["acme"])
    if rest:
        without = replace(last, note=Note(note.text, rest).data.decode())
        world.trees.signed["acme"][place] = without
        world.seal(1)
        assert "lacks the signature" in str(run(*signers).broken["acme"])


def test_each_day_a_checkpoint_says_when_it_was_signed(world: World) -> None:
    shelf = world.archive = Shelf()
    hour_ms = 3_600_000
    world.seal(3)
    times = list[int]()
    for hour in range(60):
        report = world.run()
        assert not report.broken
        if hour == 30:
            world.seal(2)
        times += [world.clock.ms // 1_000] if report.signed else []
        world.clock.ms += hour_ms
    found = [*world.trees.checkpoints("acme", 0, 100)]
    tree = world.trees.get("acme")
    assert tree is not None
    timed = Verifier(tree.origin, KeyType.ED25519_COSIGNATURE, world.signer.public_key)
    said = []
    for kept in found:
        signatures = Note.read(kept.note.encode()).verified([timed])
        said += [(kept.size, each.at_s) for each in signatures]
    assert [kept.size for kept in found] == [3, 3, 5, 5]
    assert said == [(3, times[0]), (3, times[1]), (5, times[3])]
    # The second of a size and a day later: between them there was nothing.
    assert times[1] - times[0] == 24 * 3_600
    names = [name.rpartition("/")[2] for name in shelf.files if "/checkpoints/" in name]
    assert names == [
        f"{3:016}",
        f"{3:016}-{times[1]}",
        f"{5:016}",
        f"{5:016}-{times[3]}",
    ]
    assert shelf.files[f"{tree.origin}/checkpoint"] == found[-1].note.encode()


def test_a_clock_that_jumps_stops_nothing(world: World) -> None:
    year_ms = 365 * 24 * 3_600_000
    sizes = list[int]()
    for jump_ms in (0, year_ms, -year_ms, 60_000, -30_000, -year_ms, 60_000):
        world.clock.ms += jump_ms
        world.seal(3)
        report = world.run()
        assert not report.broken
        sizes += report.signed.values()
    assert sizes == [3, 6, 9, 12, 15, 18, 21]
    tree = world.trees.get("acme")
    assert tree is not None
    assert abs(tree.timed_ms - world.clock.ms) <= 120_000


def anchors(world: World) -> list[dict[str, Any]]:
    """Return the events that tell of checkpoints."""
    batches = [each for each in world.trees.journal.batches.values() if isinstance(each, Batch)]
    return [parse(entry) for each in batches for entry in each.entries]


def test_one_checkpoint_a_day_is_told_where_an_endpoint_asks_for_it(world: World) -> None:
    world.anchored = frozenset({"acme"})
    world.seal(3)
    world.seal(3, org="beta")
    world.run()
    world.seal(2)
    world.run()
    [event] = anchors(world)
    assert (event["type"], event["source"]) == ("tocsin.checkpoint", "tocsin")
    assert (event["data"]["size"], event["data"]["origin"]) == (3, world.checkpoint().origin)
    key = Verifier(event["data"]["origin"], KeyType.ED25519, world.signer.public_key)
    text, _ = opened(event["data"]["checkpoint"].encode(), [key])
    assert to_base64(Checkpoint.read(text).root) == event["data"]["root"]
    world.clock.ms += 24 * 60 * 60 * 1_000
    world.run()
    world.run()
    assert [each["data"]["size"] for each in anchors(world)] == [3, 5]


def test_who_can_not_be_asked_whether_it_wants_to_be_told_is_signed_later(world: World) -> None:
    world.seal(3)
    world.seal(3, org="beta")
    world.anchored = None
    assert world.run().failed.keys() == {"acme", "beta"}
    assert anchors(world) == []
    world.anchored = frozenset({"acme"})
    assert world.run().signed == {"acme": 3, "beta": 3}
    assert len(anchors(world)) == 1


class Shelf(FakeArchive):
    """An archive in memory, which fails when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.fails_at: int | None = None
        self.puts = 0

    @override
    def put(self, path: str, content: bytes, *, hold: bool = False) -> None:
        self.puts += 1
        if self.puts == self.fails_at:
            raise Busy("the archive is away")
        assert "/tile/" not in path or self.files.get(path, content) == content
        super().put(path, content, hold=hold)

    def leaves(self, origin: str, size: int) -> list[bytes]:
        """Return the leaves of a checkpoint, from what is here alone."""
        found = list[bytes]()
        for tile in tiles(0, size):
            if tile.level == 0:
                found += read_hashes(tile, self.files[f"{origin}/{tile.path}"])
        return found


def test_the_archive_alone_tells_what_each_checkpoint_covers(world: World) -> None:
    shelf = world.archive = Shelf()
    for counts in ((3,), (250, 10), (1,), (1_000, 1_000, 700)):
        world.seal(*counts)
        world.run()
    tree = world.trees.get("acme")
    assert tree is not None
    sizes = [3, 263, 264, 2_964]
    for size in sizes:
        note = shelf.files[f"{tree.origin}/checkpoints/{size:016}"]
        text, _ = opened(note, [Verifier(tree.origin, KeyType.ED25519, world.signer.public_key)])
        found = Peaks().grown(shelf.leaves(tree.origin, size))[0]
        assert (Checkpoint.read(text).size, Checkpoint.read(text).root) == (size, found.root)
    assert shelf.files[f"{tree.origin}/checkpoint"] == note
    assert f"{tree.origin}/tile/1/000.p/11" not in shelf.files
    assert tree.archived == 2_964
    puts = shelf.puts
    world.run()
    assert shelf.puts == puts


def test_whatever_the_archive_fails_at_the_next_run_completes_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archiving, "_EVENTS_A_STEP", 512)
    shelf = world.archive = Shelf()
    world.seal(700)
    failures = 0
    for fails_at in range(1, 50):
        shelf.puts, shelf.fails_at = 0, fails_at
        world.seal(300)
        report = world.run()
        assert report.signed == {"acme": world.ledger.head("acme").seq}
        if not report.failed:
            break
        failures += 1
        world.run()
        tree = world.trees.get("acme")
        assert tree is not None
        assert (tree.archived, tree.signed) == (tree.size, tree.size)
        assert shelf.leaves(tree.origin, tree.size) == world.leaves()
        assert f"{tree.origin}/checkpoints/{tree.size:016}" in shelf.files
    assert failures >= 4


def test_what_is_far_behind_is_archived_run_by_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archiving, "_EVENTS_A_STEP", 512)
    world.seal(*[1_000] * 6)
    world.run()
    shelf = world.archive = Shelf()
    archived, origin = [], ""
    for _ in range(4):
        world.run()
        tree = world.trees.get("acme")
        assert tree is not None
        origin = tree.origin
        archived.append(tree.archived)
    assert archived == [2_560, 5_120, 6_000, 6_000]
    assert shelf.leaves(origin, 6_000) == world.leaves()


def test_who_writes_a_node_or_a_checkpoint_before_its_time_is_noticed(world: World) -> None:
    world.seal(200)
    world.run()
    world.trees.kept["acme", 8, 0] = b"x" * 32
    world.seal(100)
    broken = world.run().broken["acme"]
    assert isinstance(broken, IntegrityError)
    assert broken.seq == 1
    del world.trees.kept["acme", 8, 0]
    world.trees.signed["acme"][300, 0] = world.trees.signed["acme"][200, 0]
    broken = world.run().broken["acme"]
    assert isinstance(broken, IntegrityError)
    del world.trees.signed["acme"][300, 0]
    assert world.run().signed == {"acme": 300}


def test_where_nothing_came_the_ledger_is_asked_for_its_head_alone(world: World) -> None:
    class Counting(FakeLedger):
        asked = 0

        @override
        def segments(self, org: str, from_seq: int, limit: int) -> Sequence[Segment]:
            self.asked += 1
            return super().segments(org, from_seq, limit)

    counting = world.ledger = Counting()
    world.seal(5)
    world.run()
    asked, counting.asked = counting.asked, 0
    assert asked > 0
    world.run()
    assert counting.asked == 0
