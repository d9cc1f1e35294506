"""Checkpoints that others cosign: runs that end anywhere, several at once, and hostile answers."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import override

import pytest

from fakes.events import batch
from fakes.stores import FakeArchive, FakeClock, FakeLedger, FakeOrgs, FakeTrees
from support.log_signers import LogSigner, log_signer
from support.witness import CosigningWitness
from tocsin.adapters.key_file import KeyFile
from tocsin.domain.errors import Busy, IntegrityError
from tocsin.domain.merkle import Node
from tocsin.domain.org import Org
from tocsin.domain.tree import Checkpoint, Tree
from tocsin.ports.evidence import Answer, Archive, Witness
from tocsin.services.evidence.asking import AnotherHistory
from tocsin.services.evidence.checkpointing import Checkpointing, Report
from tocsin.services.sealing.seal import seal_batches
from tocsin.wire.log import checkpoints
from tocsin.wire.log.keys import KeyType, Verifier
from tocsin.wire.log.notes import Note, signed, write_signatures

type Behaves = Callable[[bytes], Answer]


class Nearby(Witness):
    """A witness without a way to it; ``behaves`` may put something in between."""

    def __init__(self, name: str, witness: CosigningWitness) -> None:
        self._name = name
        self.witness = witness
        self.behaves: Behaves = witness.answer

    @property
    @override
    def name(self) -> str:
        return self._name

    @property
    @override
    def key(self) -> Verifier:
        return self.witness.key

    @override
    def add(self, body: bytes) -> Answer:
        return self.behaves(body)


@dataclass
class World:
    home: Path
    orgs: FakeOrgs = field(default_factory=FakeOrgs)
    ledger: FakeLedger = field(default_factory=FakeLedger)
    trees: FakeTrees = field(default_factory=FakeTrees)
    clock: FakeClock = field(default_factory=FakeClock)
    archive: Archive | None = None
    batches: int = 0

    def __post_init__(self) -> None:
        self.orgs.put(Org("acme"))
        self.signer = KeyFile(self.home / "key")
        self.ann, self.bob = (Nearby(name, self.witness(name)) for name in ("Ann", "Bob"))
        self.witnesses: Sequence[Witness] = [self.ann, self.bob]
        self.runs = self.wired()

    def witness(self, name: str, type: KeyType = KeyType.ED25519_COSIGNATURE) -> CosigningWitness:
        def log(origin: str) -> Verifier:
            return Verifier(origin, KeyType.ED25519, self.signer.public_key)

        return CosigningWitness(f"{name}.example/w", log, lambda: self.clock.ms // 1_000, type)

    def wired(self) -> Checkpointing:
        """Return the use case as a new process has it."""
        return Checkpointing(
            orgs=self.orgs,
            ledger=self.ledger,
            trees=self.trees,
            signers=[self.signer],
            clock=self.clock,
            archive=self.archive,
            witnesses=self.witnesses,
        )

    def seal(self, *counts: int, org: str = "acme") -> None:
        for count in counts:
            self.batches += 1
            self.clock.ms += 1_000
            each = batch(org, count, self.clock.ms, self.batches)
            seal_batches(org, [each], self.ledger, self.clock)

    def run(self) -> Report:
        self.clock.ms += 60_000
        return self.runs()

    def checkpoint(self, covering: int = 0, org: str = "acme") -> Checkpoint:
        found = self.trees.checkpoint(org, covering)
        assert found is not None
        return found

    def cosigned(self, covering: int = 0, org: str = "acme") -> list[str]:
        """Return whose cosignatures a checkpoint has, which are verified."""
        note = Note.read(self.checkpoint(covering, org).note.encode())
        keys = {each.key: each.name for each in self.witnesses}
        tree = self.trees.get(org)
        assert tree is not None
        log = Verifier(tree.origin, KeyType.ED25519, self.signer.public_key)
        assert note.verified([log])
        return [keys[each.key] for each in note.verified(keys)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_each_checkpoint_is_cosigned_as_it_goes_on_from_the_one_before(world: World) -> None:
    world.seal(3)
    assert world.run() == Report({"acme": 3}, 3)
    assert world.cosigned() == ["Ann", "Bob"]
    world.seal(300, 1)
    assert not world.run().away
    assert world.cosigned() == ["Ann", "Bob"]
    world.run()
    assert world.ann.witness.asked == world.bob.witness.asked == [(0, 3), (3, 304)]


def test_without_witnesses_nobody_is_asked(world: World) -> None:
    world.witnesses = []
    world.seal(3)
    assert world.wired()() == Report({"acme": 3}, 3)
    assert world.cosigned() == []


def test_a_witness_of_ml_dsa_cosigns_too(world: World) -> None:
    world.witnesses = [Nearby("Pia", world.witness("pia", KeyType.ML_DSA_44)), world.bob]
    world.seal(3)
    assert not world.wired()().away
    assert world.cosigned() == ["Pia", "Bob"]


def test_the_daily_checkpoint_of_the_same_size_is_cosigned_again(world: World) -> None:
    world.seal(3)
    world.run()
    world.clock.ms += 24 * 3_600_000
    assert world.run().signed == {"acme": 3}
    assert world.cosigned() == ["Ann", "Bob"]
    assert next(world.trees.checkpoints("acme", 0, 9)) != world.checkpoint()
    assert world.ann.witness.asked == [(0, 3), (3, 3)]


def test_a_witness_says_itself_how_far_it_is(world: World) -> None:
    """One that was another's of ours, one that came later, and one that has forgotten."""
    for count in (3, 5, 20):
        world.seal(count)
        world.run()
    world.witnesses = [world.ann, world.bob, Nearby("Eve", world.witness("eve"))]
    [origin] = world.ann.witness.seen
    del world.ann.witness.seen[origin]
    world.runs = world.wired()
    world.seal(7)
    assert not world.run().away
    assert world.cosigned() == ["Ann", "Bob", "Eve"]
    assert world.ann.witness.asked[-2:] == [(28, 35), (0, 35)]
    tree = world.trees.get("acme")
    assert tree is not None
    world.trees.heads["acme"] = replace(tree, cosigned=())  # as before there were witnesses
    world.seal(1)
    assert not world.run().away
    assert world.cosigned() == ["Ann", "Bob", "Eve"]
    assert world.ann.witness.asked[-2:] == [(0, 36), (35, 36)]


def test_what_a_witness_was_told_only_once_is_found_in_the_note(world: World) -> None:
    world.seal(3)
    world.run()
    tree = world.trees.get("acme")
    assert tree is not None
    world.trees.heads["acme"] = replace(tree, cosigned=())  # killed before that was remembered
    before = world.checkpoint()
    world.run()
    assert world.checkpoint() == before
    assert len(world.ann.witness.asked) == 1
    assert world.trees.get("acme") == tree


class Dies(BaseException):
    """The process was killed."""


class DyingTrees(FakeTrees):
    """Dies at a write, before it is done or after."""

    def __init__(self) -> None:
        super().__init__()
        self.dies_at = 0
        self.writes = 0

    @override
    def grow(self, before: Tree | None, after: Tree, nodes: Sequence[Node]) -> None:
        self._maybe_die()
        super().grow(before, after, nodes)
        self._maybe_die()

    @override
    def cosign(self, org: str, before: Checkpoint, after: Checkpoint) -> None:
        self._maybe_die()
        super().cosign(org, before, after)
        self._maybe_die()

    def _maybe_die(self) -> None:
        self.writes += 1
        if self.writes == self.dies_at:
            raise Dies


def test_whatever_step_is_the_last_the_next_run_completes_it(tmp_path: Path) -> None:
    steps = 0
    for dies_at in range(1, 100):
        world = World(tmp_path, trees=DyingTrees())
        world.seal(3)
        world.run()
        assert isinstance(world.trees, DyingTrees)
        world.trees.dies_at = world.trees.writes + dies_at
        world.seal(300)
        try:
            world.run()
        except Dies:
            steps = dies_at
        else:
            break
        world.trees.dies_at = 0
        world.runs = world.wired()
        report = world.run()
        assert not (report.away or report.broken or report.failed)
        assert sorted(world.cosigned()) == ["Ann", "Bob"]
        assert world.run() == Report()
    assert steps == 6


@pytest.mark.parametrize("lost", [1, 2])
def test_an_answer_may_be_lost_after_the_witness_has_signed(world: World, lost: int) -> None:
    left = iter([True] * lost)

    def losing(body: bytes) -> Answer:
        answer = world.ann.witness.answer(body)
        if next(left, False):
            raise Busy("it gives no answer (reset)")
        return answer

    world.ann.behaves = losing
    world.seal(3)
    for _ in range(lost):
        assert world.run().away == {"Ann": "it gives no answer (reset)"}
        assert world.cosigned(3) == ["Bob"]
        world.seal(2)
    assert not world.run().away
    assert world.cosigned() == ["Ann", "Bob"]


def test_what_several_runs_at_once_are_given_is_all_kept(world: World) -> None:
    """Each has other witnesses, and all have read the note before one has written it."""
    names = [f"W{number}" for number in range(6)]
    all_asked = threading.Barrier(len(names))
    found = [Nearby(name, world.witness(name)) for name in names]

    def together(each: Nearby) -> Behaves:
        def behaves(body: bytes) -> Answer:
            answer = each.witness.answer(body)
            all_asked.wait()
            return answer

        return behaves

    world.seal(3)
    world.witnesses = []
    world.wired()()
    for each in found:
        each.behaves = together(each)
    runs = []
    for each in found:
        world.witnesses = [each]
        runs.append(world.wired())
    reports = list[Report]()
    threads = [threading.Thread(target=lambda run=run: reports.append(run())) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [report.broken or report.failed or report.away for report in reports] == [{}] * 6
    world.witnesses = found
    assert sorted(world.cosigned()) == names


def test_runs_at_once_that_ask_the_same_witness_keep_one_cosignature(world: World) -> None:
    all_asked, one_at_a_time = threading.Barrier(2), threading.Lock()

    def together(body: bytes) -> Answer:
        with one_at_a_time:
            answer = world.ann.witness.answer(body)
            world.clock.ms += 1_000  # so that another signature is another line
        if answer.status == 200:
            all_asked.wait()
        return answer

    world.witnesses = []
    world.seal(3)
    world.wired()()
    world.witnesses = [world.ann]
    world.ann.behaves = together
    runs = [world.wired(), world.wired()]
    reports = list[Report]()
    threads = [threading.Thread(target=lambda run=run: reports.append(run())) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reports == [Report(), Report()]
    assert world.cosigned() == ["Ann"]


def test_a_later_run_may_have_asked_before(world: World) -> None:
    """A run that lags is told a size that it has not seen signed: but it was signed here."""

    def overtaken(body: bytes) -> Answer:
        world.ann.behaves = world.ann.witness.answer
        world.seal(4)
        assert world.wired()().signed == {"acme": 7}
        return world.ann.witness.answer(body)

    world.ann.behaves = overtaken
    world.seal(3)
    report = world.run()
    assert not (report.broken or report.away or report.failed)
    assert world.cosigned(7) == ["Ann", "Bob"]
    assert world.run() == Report()


def forged(world: World, size: int) -> bytes:
    """Return a checkpoint that somebody else has signed with our key."""
    tree = world.trees.get("acme")
    assert tree is not None
    text = checkpoints.Checkpoint(tree.origin, size, b"x" * 32).text
    key = Verifier(tree.origin, KeyType.ED25519, world.signer.public_key)
    return signed(text, [LogSigner(key, world.signer.sign)], 0).data


@pytest.mark.parametrize("size", [2, 3, 4, 5, 6, 900])
def test_another_history_that_a_witness_has_seen_is_the_gravest_finding(
    world: World, size: int
) -> None:
    """Of a size that was signed here or not, and below, at and beyond the last one."""
    world.witnesses = []
    world.runs = world.wired()
    for _ in range(2):
        world.seal(3)
        world.run()
    stolen = b"old 0\n\n" + forged(world, size)
    assert world.ann.witness.answer(stolen).status == 200
    world.witnesses = [world.ann, world.bob]
    world.runs = world.wired()
    for count in (0, 4):
        if count:
            world.seal(count)
        report = world.run()
        assert isinstance(report.broken["acme"], AnotherHistory)
        assert "Ann" in str(report.broken["acme"])
        assert not report.failed
        assert world.cosigned() == ["Bob"]
    assert world.checkpoint().size == 10  # it is signed all the same


def test_it_is_told_each_time_and_holds_up_no_other_org(world: World) -> None:
    world.orgs.put(Org("beta"))
    world.seal(3)
    world.seal(2, org="beta")
    world.ann.behaves = lambda body: (
        Answer(409, b"9999\n") if b"/acme\n" in body else world.ann.witness.answer(body)
    )
    for _ in range(2):
        report = world.run()
        assert [*report.broken] == ["acme"]
    assert world.cosigned(org="beta") == ["Ann", "Bob"]


def test_stored_checkpoints_that_do_not_follow_from_each_other_are_found(world: World) -> None:
    world.seal(3)
    world.run()
    places = world.trees.signed["acme"]
    [place] = places
    places[place] = replace(places[place], note=forged(world, 3).decode())
    world.seal(4)
    broken = world.run().broken["acme"]
    assert isinstance(broken, IntegrityError)
    assert world.ann.witness.asked == [(0, 3)]


def line(world: World, witness: Nearby, text: str, at_s: int) -> str:
    return witness.witness.signature_lines(text, at_s=at_s)


def hostile(world: World, name: str) -> Behaves:
    """Return what a witness does that lies."""
    other = "tocsin/0123456789abcdef/acme\n9\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    now_s = world.clock.ms // 1_000

    def text(body: bytes) -> str:
        return Note.read(body.partition(b"\n\n")[2]).text

    def ok(lines: Callable[[str], str]) -> Behaves:
        return lambda body: Answer(200, lines(text(body)).encode())

    def as_ann(body: bytes) -> Answer:
        thief = log_signer(world.ann.key.name, world.ann.key.type, b"t" * 32)
        [signature] = signed(text(body), [thief], now_s).signatures
        return Answer(200, write_signatures([replace(signature, key_id=world.ann.key.id)]).encode())

    hour = 3_700
    behaviours: dict[str, Behaves] = {
        "nothing": lambda body: Answer(200, b""),
        "no lines": lambda body: Answer(200, b"OK"),
        "no UTF-8": lambda body: Answer(200, b"\xff\n"),
        "a page": lambda body: Answer(200, b"<html>\n" * 99),
        "another witness": ok(lambda text: line(world, world.bob, text, now_s)),
        "another checkpoint": ok(lambda _: line(world, world.ann, other, now_s)),
        "another's signature under its name": as_ann,
        "one true and one false": lambda body: Answer(
            200, (line(world, world.ann, text(body), now_s).encode() + as_ann(body).body)
        ),
        "the future": ok(lambda text: line(world, world.ann, text, now_s + hour)),
        "the past": ok(lambda text: line(world, world.ann, text, now_s - hour)),
        "no time": ok(lambda text: line(world, world.ann, text, 0)),
        "the end of time": ok(lambda text: line(world, world.ann, text, 2**63 - 1)),
        "too many": ok(lambda text: line(world, world.bob, text, now_s) * 101),
        "no size": lambda body: Answer(409, b""),
        "half a size": lambda body: Answer(409, b"1_0\n"),
        "a long size": lambda body: Answer(409, b"1" * 5_000),
        "other digits": lambda body: Answer(409, "٣\n".encode()),
        "a negative size": lambda body: Answer(409, b"-3\n"),
        "the size that it was told": lambda body: Answer(409, b"0\n"),
        "no proof of nothing": lambda body: Answer(422, b""),
        "elsewhere": lambda body: Answer(302, b""),
        "created": lambda body: Answer(201, b""),
        "unknown": lambda body: Answer(404, b""),
        "forbidden": lambda body: Answer(403, b""),
        "bad": lambda body: Answer(400, b""),
        "too often": lambda body: Answer(429, b""),
        "failing": lambda body: Answer(500, b""),
        "no status": lambda body: Answer(0, b""),
    }
    return behaviours[name]


@pytest.mark.parametrize(
    "name",
    [
        *("nothing", "no lines", "no UTF-8", "a page", "another witness", "another checkpoint"),
        *("another's signature under its name", "one true and one false"),
        *("the future", "the past", "no time", "the end of time", "too many"),
        *("no size", "half a size", "a long size", "other digits", "a negative size"),
        *("the size that it was told", "no proof of nothing", "elsewhere", "created"),
        *("unknown", "forbidden", "bad", "too often", "failing", "no status"),
    ],
)
def test_whatever_a_witness_answers_it_holds_up_nothing(world: World, name: str) -> None:
    world.seal(3)
    world.clock.ms += 60_000
    world.ann.behaves = hostile(world, name)
    report = world.runs()
    assert (report.signed, report.broken, report.failed) == ({"acme": 3}, {}, {})
    assert [*report.away] == ["Ann"]
    assert world.cosigned() == ["Bob"]
    world.ann.behaves = world.ann.witness.answer
    world.clock.ms += 10 * 60_000
    assert not world.run().away
    assert sorted(world.cosigned()) == ["Ann", "Bob"]


def test_signatures_that_nobody_has_asked_for_are_left_out(world: World) -> None:
    """Of its own several are one, the newest."""

    def talkative(body: bytes) -> Answer:
        text = Note.read(body.partition(b"\n\n")[2]).text
        now_s = world.clock.ms // 1_000
        lines = [line(world, world.ann, text, now_s - ago) for ago in range(60)]
        stranger = signed(text, [log_signer("eve.example/w")], now_s)
        return Answer(200, (write_signatures(stranger.signatures) + "".join(lines)).encode())

    world.ann.behaves = talkative
    world.seal(3)
    assert not world.run().away
    note = Note.read(world.checkpoint().note.encode())
    [own] = note.verified([world.ann.key])
    assert own.at_s == world.clock.ms // 1_000
    assert {each.name for each in note.signatures} == {
        note.text.partition("\n")[0],
        "Ann.example/w",
        "Bob.example/w",
    }


def test_a_size_that_changes_with_each_answer_is_followed_once(world: World) -> None:
    for _ in range(3):
        world.seal(3)
        world.run()
    sizes = iter([b"3\n", b"6\n", b"3\n", b"6\n"])
    asked = list[bytes]()

    def restless(body: bytes) -> Answer:
        asked.append(body)
        return Answer(409, next(sizes))

    world.ann.behaves = restless
    world.seal(3)
    report = world.run()
    assert ([*report.away], report.broken, len(asked)) == (["Ann"], {}, 2)


def test_a_witness_that_does_not_answer_is_asked_once_in_a_run(world: World) -> None:
    """Or as often as orgs are looked at at once: and each time it is all the others that go on."""
    asked = list[bytes]()

    def silent(body: bytes) -> Answer:
        asked.append(body)
        raise Busy("it gives no answer (timeout)")

    for number in range(40):
        world.orgs.put(Org(f"org-{number}"))
        world.seal(1, org=f"org-{number}")
    world.ann.behaves = silent
    report = world.run()
    assert len(report.signed) == 40
    assert 1 <= len(asked) <= 8
    assert report.away == {"Ann": "it gives no answer (timeout)"}
    for number in range(40):
        assert world.cosigned(org=f"org-{number}") == ["Bob"]
    world.ann.behaves = world.ann.witness.answer
    assert not world.run().away
    for number in range(40):
        assert world.cosigned(org=f"org-{number}") == ["Bob", "Ann"]


def test_one_that_is_slow_takes_its_share_of_a_run_and_no_more(world: World) -> None:
    asked = list[bytes]()

    def slow(body: bytes) -> Answer:
        asked.append(body)
        world.clock.ms += 30_000
        return world.ann.witness.answer(body)

    for number in range(30):
        world.orgs.put(Org(f"org-{number}"))
        world.seal(1, org=f"org-{number}")
    world.ann.behaves = slow
    report = world.run()
    assert len(report.signed) == 30
    assert len(asked) < 16
    assert "too slow" in report.away["Ann"]


def test_nobody_is_asked_when_time_is_up(world: World) -> None:
    world.seal(3)
    left = iter([True])
    report = world.runs(lambda: next(left, False))
    assert report.signed == {"acme": 3}
    assert {*report.away} == {"Ann", "Bob"}
    assert world.cosigned() == []
    assert not world.run().away
    assert world.cosigned() == ["Ann", "Bob"]


def test_who_does_not_know_a_log_is_asked_for_it_now_and_then(world: World) -> None:
    asked = list[bytes]()

    def unknown(body: bytes) -> Answer:
        asked.append(body)
        return Answer(404, b"")

    world.ann.behaves = unknown
    world.seal(3)
    for _ in range(30):
        world.seal(1)
        assert [*world.run().away] == ["Ann"]
    assert 3 <= len(asked) <= 4
    world.clock.ms -= 10**9  # a clock that was set
    world.run()
    assert len(asked) <= 5


def test_a_key_that_can_t_be_verified_with_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Verifier, "can_verify", False)
    world.seal(3)
    report = world.run()
    assert report.away == dict.fromkeys(("Ann", "Bob"), "keys of its type can't be verified here")
    assert world.ann.witness.asked == []


def test_a_cosignature_that_was_changed_in_the_table_is_found(world: World) -> None:
    world.seal(3)
    world.run()
    tree = world.trees.get("acme")
    assert tree is not None
    [(place, checkpoint)] = world.trees.signed["acme"].items()
    note = Note.read(checkpoint.note.encode())
    *rest, last = note.signatures
    changed = replace(last, value=last.value[:-1] + bytes([last.value[-1] ^ 1]))
    world.trees.signed["acme"][place] = replace(
        checkpoint, note=Note(note.text, (*rest, changed)).data.decode()
    )
    world.trees.heads["acme"] = replace(tree, cosigned=())
    assert isinstance(world.run().broken["acme"], IntegrityError)


def test_the_archive_has_what_came_in_time(world: World) -> None:
    shelf = world.archive = FakeArchive()
    world.runs = world.wired()
    world.seal(3)
    world.run()
    [note] = [each for path, each in shelf.files.items() if "/checkpoints/" in path]
    assert note == world.checkpoint().note.encode()
    assert world.cosigned() == ["Ann", "Bob"]


def test_a_store_that_is_away_is_no_fault_of_a_witness(world: World) -> None:
    class Away(FakeTrees):
        away = False

        @override
        def checkpoint(self, org: str, covering: int = 0) -> Checkpoint | None:
            if self.away and covering:
                raise Busy("away")
            return super().checkpoint(org, covering)

    trees = world.trees = Away()
    world.runs = world.wired()
    world.seal(3)
    world.run()
    world.seal(3)
    trees.away = True
    report = world.run()
    assert (report.signed, [*report.failed], report.away) == ({"acme": 6}, ["acme"], {})
    trees.away = False
    assert world.run() == Report()
    assert world.cosigned() == ["Ann", "Bob"]


def test_witnesses_cost_the_stores_little_more_than_one_does(world: World) -> None:
    """What is read for the proof is read once, and nothing at all while nothing happens.

    Before a checkpoint is signed its last one is read, with witnesses or without.
    """

    class Counting(FakeTrees):
        reads = 0

        @override
        def checkpoint(self, org: str, covering: int = 0) -> Checkpoint | None:
            self.reads += 1
            return super().checkpoint(org, covering)

    trees = world.trees = Counting()
    world.witnesses = [Nearby(f"W{n}", world.witness(f"W{n}")) for n in range(5)]
    world.runs = world.wired()
    for _ in range(2):
        world.seal(300)
        before = trees.reads
        world.run()
    assert trees.reads - before == 1 + 2
    before = trees.reads
    world.run()
    assert trees.reads == before
