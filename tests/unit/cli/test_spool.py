"""The spool: bounded, in order, and exact however often its relay dies."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tocsin.cli.mcp.spool import Spool, SpooledBatch, target_folder


def die(spool: Spool) -> None:
    """Leave a spool as ``kill -9`` does: only its locks end."""
    for folder in spool._folders:
        os.close(folder._lock)


def take(spool: Spool) -> SpooledBatch:
    batch = spool.take()
    assert batch is not None
    return batch


class Crashes(RuleBasedStateMachine):
    """Relays that append, send and die at any moment, and a Tocsin that knows keys."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.spool = Spool(Path(self.folder.name) / "target", 10**9)
        self.appended: list[bytes] = []
        self.stored: list[bytes] = []
        self.bodies: dict[str, tuple[bytes, ...]] = {}

    @rule(size=st.sampled_from([1, 100, 90_000]), count=st.integers(1, 5))
    def append(self, size: int, count: int) -> None:
        for _ in range(count):
            event = b"%d %b" % (len(self.appended), b"x" * size)
            assert self.spool.append(event)
            self.appended.append(event)

    @rule(answered=st.booleans())
    def send(self, answered: bool) -> None:
        if self.spool.pending:
            batch = take(self.spool)
            if batch.key not in self.bodies:
                self.bodies[batch.key] = batch.events
                self.stored += batch.events
            assert self.bodies[batch.key] == batch.events
            if answered:
                self.spool.remove(batch)

    @rule(killed=st.booleans())
    def restart(self, killed: bool) -> None:
        if killed:
            die(self.spool)
        else:
            self.spool.finish()
            self.spool.close()
        self.spool = Spool(Path(self.folder.name) / "target", 10**9)

    @invariant()
    def nothing_is_lost_doubled_or_moved(self) -> None:
        assert self.stored == self.appended[: len(self.stored)]
        assert len(self.stored) + self.spool.pending >= len(self.appended)

    def teardown(self) -> None:
        while self.spool.pending:
            self.send(answered=True)
        assert self.stored == self.appended
        self.spool.close()
        assert list((Path(self.folder.name) / "target").iterdir()) == []
        self.folder.cleanup()


TestCrashes = Crashes.TestCase
TestCrashes.settings = settings(max_examples=40, stateful_step_count=25)


def test_calls_that_had_begun_at_a_kill_are_recorded_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 10**9)
    for number in range(4):
        spool.begin(number, b"begun %d" % number)
    spool.append(b"ended 1", 1)
    spool.append(b"ended 3", 3)
    die(spool)
    for _ in range(2):  # however often it dies
        spool = Spool(tmp_path, 10**9)
        assert spool.pending == 4
        die(spool)
    spool = Spool(tmp_path, 10**9)
    sent = [take(spool)]
    spool.remove(sent[0])
    sent.append(take(spool))
    spool.remove(sent[1])
    assert [batch.events for batch in sent] == [
        (b"ended 1", b"ended 3"),
        (b"begun 0", b"begun 2"),
    ]
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_an_end_that_was_not_noted_counts_if_its_event_was_kept(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 10**9)
    spool.begin(1, b"begun")
    spool._own.append(b"ended\t1\n")  # and killed before it is noted
    die(spool)
    spool = Spool(tmp_path, 10**9)
    assert spool.pending == 1
    assert take(spool).events == (b"ended",)
    spool.close()


def test_the_file_of_begun_calls_stays_small(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 10**9)
    spool.begin(0, b"pending")
    for number in range(1, 400):
        spool.begin(number, b"x" * 10_000)
        spool.append(b"{}", number)
    (begun,) = tmp_path.glob("*/begun")
    assert begun.stat().st_size < 1_100_000
    assert begun.stat().st_mode & 0o777 == 0o600
    die(spool)
    spool = Spool(tmp_path, 10**9)
    assert spool.pending == 400
    spool.close()


def test_a_batch_holds_what_a_request_takes(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 10**9)
    for _ in range(2_500):
        spool.append(b"{}")
    sizes = []
    while spool.pending:
        batch = take(spool)
        sizes.append(len(batch.events))
        spool.remove(batch)
    assert sizes == [1_000, 1_000, 500]
    for _ in range(4):
        spool.append(b"x" * 100_000)
    assert len(take(spool).events) == 2
    spool.close()


def test_what_is_beyond_the_bound_is_dropped_and_counted(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 100)
    assert [spool.append(b"x" * 29) for _ in range(5)] == [True, True, True, False, False]
    assert (spool.pending, spool.dropped) == (3, 2)
    spool.remove(take(spool))
    assert spool.append(b"x" * 29)
    spool.close()


def test_what_was_left_counts_against_the_bound(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 100)
    spool.append(b"x" * 59)
    spool.close()
    spool = Spool(tmp_path, 100)
    assert not spool.append(b"x" * 59)
    path = spool.refuse(take(spool))
    assert path.read_bytes() == b"x" * 59 + b"\n"
    assert not spool.append(b"x" * 59)
    spool.close()


def test_an_event_that_was_half_written_is_no_event(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 10**9)
    spool.append(b"whole")
    (growing,) = tmp_path.glob("*/*.open")
    with growing.open("ab") as file:
        file.write(b"half")
    die(spool)
    spool = Spool(tmp_path, 10**9)
    assert take(spool).events == (b"whole",)
    assert spool.pending == 1
    spool.close()


def test_a_full_disk_drops_the_event_and_keeps_the_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 10**9)
    spool.append(b"first")
    number = spool._own._file
    assert number is not None
    full = os.open("/dev/full", os.O_WRONLY)
    kept = os.dup(number)
    os.dup2(full, number)
    os.close(full)
    with pytest.raises(OSError, match="No space"):
        spool.append(b"second")
    os.dup2(kept, number)
    os.close(kept)
    spool.append(b"third")
    assert take(spool).events == (b"first", b"third")
    assert spool.dropped == 1
    spool.close()


def test_two_living_spools_do_not_meet(tmp_path: Path) -> None:
    one, two = Spool(tmp_path, 10**9), Spool(tmp_path, 10**9)
    one.append(b"one")
    two.append(b"two")
    assert (take(one).events, take(two).events) == ((b"one",), (b"two",))
    assert take(one).key != take(two).key
    one.close()
    two.close()


def test_events_go_to_one_url_and_org_alone() -> None:
    root = Path("spool")
    one = target_folder(root, "http://a", "tocsin_acme_0123_secret")
    assert target_folder(root, "http://a", "tocsin_acme_4567_other") == one
    assert target_folder(root, "http://b", "tocsin_acme_0123_secret") != one
    assert target_folder(root, "http://a", "tocsin_umbrella_0123_secret") != one
    assert target_folder(root, "http://a", "ig_1") != target_folder(root, "http://a", "ig_2")
