"""Who can write the state table, and would have another history signed with the genuine key."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes.stores import FakeArchive, FakeLedger, FakeTrees
from tocsin.adapters.key_file import KeyFile
from tocsin.domain.errors import Busy, IntegrityError
from tocsin.services.evidence.checkpointing import Checkpointing, Report
from unit.services.evidence.test_checkpointing import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.archive = FakeArchive()
    for count in (300, 20):
        world.seal(count)
        world.seal(count, org="beta")
        assert {*world.run().signed} == {"acme", "beta"}
    return world


def files(world: World) -> dict[str, bytes]:
    assert isinstance(world.archive, FakeArchive)
    return world.archive.files


def forget(world: World) -> None:
    """Remove what the state table has of a log."""
    trees = world.trees
    trees.heads.pop("acme")
    trees.signed.pop("acme")
    trees.log_keys.pop("acme")
    trees.kept = {key: node for key, node in trees.kept.items() if key[0] != "acme"}


def rewrite(world: World, *counts: int) -> None:
    """Put another history into the ledger."""
    beta = world.ledger.by_org["beta"]
    world.ledger = FakeLedger()
    world.ledger.by_org["beta"] = beta
    world.seal(*counts)


def refused(world: World, report: Report, reason: str) -> None:
    """Check that nothing was signed for one org, that it is said, and that others go on."""
    assert isinstance(report.broken["acme"], IntegrityError)
    assert reason in str(report.broken["acme"])
    assert [*report.broken] == ["acme"]
    assert report.signed == {"beta": world.ledger.head("beta").seq}
    assert not report.failed


def test_who_removes_a_tree_gets_no_other_one_signed(world: World) -> None:
    before = dict(files(world))
    forget(world)
    rewrite(world, 7)
    world.seal(1, org="beta")
    refused(world, world.run(), "the archive has its log tocsin/")
    assert "acme" not in world.trees.heads
    assert {
        path: files(world)[path] for path in before if "/acme/" in path
    }.items() <= before.items()
    assert world.run().broken  # and again, until somebody looks


def test_whoever_has_the_key_by_then_the_log_is_found(world: World) -> None:
    world.home = world.home / "another"
    forget(world)
    world.seal(1, org="beta")
    assert "the archive has its log" in str(world.run().broken["acme"])


def test_who_sets_a_tree_back_gets_no_other_one_signed(world: World) -> None:
    earlier = deepcopy(world.trees.__dict__ | {"one_at_a_time": None})
    lock, ledger = world.trees.one_at_a_time, deepcopy(world.ledger.by_org)
    world.seal(5)
    world.run()
    world.trees.__dict__.update(earlier | {"one_at_a_time": lock})
    world.ledger.by_org = ledger
    world.seal(2)
    world.seal(1, org="beta")
    refused(world, world.run(), "the archive has a checkpoint of 325 events, the tables of 320")


def test_a_log_under_a_name_of_somebody_else_s_is_not_gone_on_with(world: World) -> None:
    """Who forges all of a log has it signed by a key of their own before."""
    forget(world)
    rewrite(world, 9)
    theirs = Checkpointing(
        orgs=world.orgs,
        ledger=world.ledger,
        trees=world.trees,
        signers=[KeyFile(world.home / "theirs")],
        clock=world.clock,
    )
    theirs()
    world.seal(1)
    world.seal(1, org="beta")
    refused(world, world.run(), "and the tables have another name")


@pytest.mark.parametrize("size", [300, 320])
def test_a_checkpoint_that_the_tables_have_not_is_noticed(world: World, size: int) -> None:
    tree = world.trees.get("beta")
    assert tree is not None
    [place] = [each for each in world.trees.signed["acme"] if each[0] == size]
    name = world.checkpoint().origin
    note = world.trees.signed["acme"][place].note
    lines = note.split("\n")
    lines[2] = "A" * 43 + "="
    files(world)[f"{name}/checkpoint"] = "\n".join(lines).encode()
    world.seal(1)
    world.seal(1, org="beta")
    refused(world, world.run(), f"a checkpoint of {size} events that is not in the tables")
    files(world)[f"{name}/checkpoint"] = note.encode()
    assert world.run().signed == {"acme": 321}


def test_what_is_no_checkpoint_in_the_archive_is_noticed(world: World) -> None:
    files(world)[f"{world.checkpoint().origin}/checkpoint"] = b"no note"
    world.seal(1)
    world.seal(1, org="beta")
    refused(world, world.run(), "the last checkpoint in the archive is none")


def test_an_archive_that_is_chosen_later_or_is_another_one_stops_nothing(world: World) -> None:
    world.archive = FakeArchive()
    for _ in range(2):
        world.seal(1)
        assert world.run().signed == {"acme": world.ledger.head("acme").seq}
    world.archive = None
    world.seal(1)
    world.run()
    world.archive = FakeArchive()
    world.seal(1)
    assert not world.run().broken


def away(*_: object) -> Any:
    raise Busy("the archive is away")


def test_only_a_first_checkpoint_waits_for_the_archive(world: World) -> None:
    archive: Any = world.archive
    get, folders = archive.get, archive.folders
    archive.get = archive.folders = away
    world.seal(1)
    assert world.run().signed == {"acme": 321}
    forget(world)
    report = world.run()
    assert (report.signed, [*report.failed]) == ({}, ["acme"])
    archive.get, archive.folders = get, folders
    assert "acme" in world.run().broken


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (lambda trees: trees.heads.pop("acme"), "its tree is gone"),
        (lambda trees: trees.signed.pop("acme"), "its last checkpoint is gone"),
        (
            lambda trees: trees.heads.update(acme=replace(trees.heads["acme"], signed=None)),
            "its tree is gone",
        ),
        (
            lambda trees: trees.heads.update(acme=trees.heads["beta"]),
            "the name of another log",
        ),
    ],
)
def test_what_is_left_in_the_tables_tells_it_without_an_archive(
    world: World, how: Callable[[FakeTrees], object], reason: str
) -> None:
    world.archive = None
    how(world.trees)
    world.seal(1)
    world.seal(1, org="beta")
    refused(world, world.run(), reason)


def test_an_archive_that_goes_with_the_tables_is_not_believed(world: World) -> None:
    """One machine's: its tables may have lost what came last, and its folder not."""
    there = files(world)
    forget(world)
    rewrite(world, 5)
    assert "acme" in world.run().broken
    world.archive = FakeArchive(is_apart=False)
    world.archive.files = there
    assert world.run().signed["acme"] == 5
