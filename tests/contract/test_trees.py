"""How far trees are, their kept nodes, and their checkpoints."""

from dataclasses import replace

import pytest

from support.databases import Stores
from tocsin.domain import chain
from tocsin.domain.errors import HeadMoved, IntegrityError
from tocsin.domain.ids import new_batch_id
from tocsin.domain.merkle import Node, Peaks
from tocsin.domain.tree import Checkpoint, Cosigned, LogKey, Tree, history_of
from tocsin.ports.evidence import MOST_NODES
from tocsin.services.intake.stamp import own_batch


def tree(size: int, org: str = "acme", signed: int | None = None) -> Tree:
    leaves = [chain.leaf(str(each).encode()) for each in range(size)]
    hash = [chain.genesis(org), *chain.extend(chain.genesis(org), leaves)][-1]
    return Tree(org, f"tocsin/key/{org}", Peaks().grown(leaves)[0], hash, signed)


def test_a_tree_grows_from_what_it_was(on: Stores) -> None:
    assert on.trees.get("acme") is None
    on.trees.grow(None, tree(3), [])
    on.trees.grow(tree(3), tree(300), [Node(8, 0, b"a" * 32)])
    assert on.trees.get("acme") == tree(300)
    assert on.trees.get("beta") is None
    for before in (None, tree(3), replace(tree(300), hash=b"x" * 32), tree(300, signed=3)):
        with pytest.raises(HeadMoved):
            on.trees.grow(before, tree(400), [Node(8, 1, b"b" * 32)])
    assert on.trees.get("acme") == tree(300)
    assert on.trees.nodes("acme", 8, 0, 9) == [b"a" * 32]


def test_nodes_are_kept_as_they_were(on: Stores) -> None:
    many = [Node(8, number, bytes([number]) * 32) for number in range(MOST_NODES)]
    on.trees.grow(None, tree(1), [*many[:-1], Node(16, 0, b"above" + b"." * 27)])
    on.trees.grow(None, tree(1, "beta"), [Node(8, 0, b"b" * 32)])
    assert on.trees.nodes("acme", 8, 0, 256) == [node.hash for node in many[:-1]]
    assert on.trees.nodes("acme", 8, 10, 2) == [many[10].hash, many[11].hash]
    assert on.trees.nodes("acme", 8, MOST_NODES, 3) == []
    assert on.trees.nodes("acme", 16, 0, 256) == [b"above" + b"." * 27]
    assert on.trees.nodes("beta", 8, 0, 256) == [b"b" * 32]
    with pytest.raises(IntegrityError) as raised:  # somebody has written one before
        on.trees.grow(tree(1), tree(2), [many[0], Node(8, 3, b"x" * 32)])
    assert raised.value.seq == 769
    assert on.trees.get("acme") == tree(1)
    on.trees.grow(tree(1), tree(2), [many[0], Node(8, 300, b"c" * 32)])
    assert on.trees.nodes("acme", 8, 88, 256) == [many[88].hash]  # up to the first that is missing
    with pytest.raises(ValueError, match="nodes at once"):
        on.trees.grow(tree(2), tree(3), [*many, Node(8, 99, b"d" * 32)])


def test_checkpoints_are_kept_once_and_found_by_what_they_cover(on: Stores) -> None:
    assert on.trees.checkpoint("acme") is None
    at: Tree | None = None
    made = list[Checkpoint]()
    for size in (3, 20, 1000):
        signed = at.signed if at else None
        on.trees.grow(at, tree(size, signed=signed), [])
        made.append(Checkpoint(size, f"note of {size} \u2014\n", 1_700_000_000_000 + size))
        at = tree(size, signed=size)
        on.trees.sign(tree(size, signed=signed), at, made[-1], [])
        assert on.trees.get("acme") == at
    for covering, expected in ((0, 2), (1, 0), (3, 0), (4, 1), (20, 1), (21, 2), (1000, 2)):
        assert on.trees.checkpoint("acme", covering) == made[expected]
    assert on.trees.checkpoint("acme", 1001) is None
    assert on.trees.checkpoint("beta", 1) is None
    for wrong in (tree(1000), tree(20, signed=20), tree(1000, signed=20)):
        with pytest.raises(HeadMoved):
            on.trees.sign(wrong, tree(1000, signed=1000), Checkpoint(1000, "another", 1), [])
    before = tree(2000, signed=1000)
    on.trees.grow(tree(1000, signed=1000), before, [])
    forged = Checkpoint(2000, "somebody's", 1)
    on.trees.sign(before, before, forged, [])  # as who can write the table
    with pytest.raises(IntegrityError):
        on.trees.sign(before, tree(2000, signed=2000), Checkpoint(2000, "ours", 2), [])
    assert on.trees.get("acme") == before
    assert on.trees.checkpoint("acme", 1000) == made[-1]
    assert [*on.trees.checkpoints("acme", 3, 1000)] == made[1:]
    assert [*on.trees.checkpoints("acme", 2, 20)] == made[:2]
    assert [*on.trees.checkpoints("beta", 0, 1000)] == []
    assert [*on.trees.checkpoints("acme", 20, 20), *on.trees.checkpoints("acme", 20, 3)] == []


def test_a_size_may_have_several_checkpoints_in_the_order_of_their_times(on: Stores) -> None:
    at = tree(3)
    on.trees.grow(None, at, [])
    made = [Checkpoint(3, f"note at {time}", time) for time in (90, 1_000, 20_000)]
    for checkpoint in made:
        after = replace(at, signed=3, timed_ms=checkpoint.made_at_ms)
        on.trees.sign(at, after, checkpoint, [])
        with pytest.raises(HeadMoved):
            on.trees.sign(at, after, checkpoint, [])
        at = after
        assert on.trees.get("acme") == at
    assert [*on.trees.checkpoints("acme", 2, 3)] == made
    assert on.trees.checkpoint("acme") == made[-1]
    assert on.trees.checkpoint("acme", 3) == made[0]
    assert on.trees.checkpoint("acme", 4) is None


def test_keys_are_known_with_their_times(on: Stores) -> None:
    first, second = LogKey("log+1+a", 3, 10), LogKey("log+2+b", 20, 20)
    on.trees.grow(None, tree(3), [])
    at = replace(tree(3, signed=3), keys=(first.verifier,))
    on.trees.sign(tree(3), at, Checkpoint(3, "n", 10), [first])
    assert on.trees.get("acme") == at
    grown = replace(tree(20, signed=3), keys=at.keys)
    on.trees.grow(at, grown, [])
    gone = replace(first, until_size=20, until_ms=20)
    after = replace(grown, signed=20, keys=(second.verifier,))
    on.trees.sign(grown, after, Checkpoint(20, "n", 20), [second, gone])
    assert on.trees.keys("acme") == [gone, second]
    assert on.trees.keys("beta") == []
    assert on.trees.get("acme") == after
    assert on.trees.nodes("acme", 8, 0, 256) == []


def test_what_is_known_of_keys_is_told_by_a_hash(on: Stores) -> None:
    at = replace(tree(3), history=history_of([LogKey("log+1+a", 3, 10)]))
    on.trees.grow(None, at, [])
    assert on.trees.get("acme") == at
    on.trees.grow(at, replace(at, history=b""), [])  # as an older version writes it
    assert on.trees.get("acme") == tree(3)


def test_keys_as_long_as_those_of_ml_dsa_44_are_known(on: Stores) -> None:
    keys = [LogKey(f"tocsin/key/acme+{id}+{'B' * 1_752}", 3, 10) for id in ("00000001", "00000002")]
    at = replace(tree(3, signed=3), keys=tuple(key.verifier for key in keys))
    on.trees.grow(None, tree(3), [])
    on.trees.sign(tree(3), at, Checkpoint(3, "n", 10), keys)
    assert on.trees.keys("acme") == keys
    assert on.trees.get("acme") == at


def test_what_witnesses_have_cosigned_is_remembered_and_nothing_of_two_at_once_is_lost(
    on: Stores,
) -> None:
    ann, bob = Cosigned("ann+01020304", 3, 10), Cosigned("bob+05060708", 2, 0)
    trees = [tree(3)]
    on.trees.grow(None, trees[0], [])
    for cosigned in ((ann,), (ann, bob), (replace(ann, size=4), bob), ()):
        after = replace(trees[-1], cosigned=cosigned)
        on.trees.grow(trees[-1], after, [])
        assert on.trees.get("acme") == after
        for before in trees:
            if before != after:
                with pytest.raises(HeadMoved):  # who has read it before
                    on.trees.grow(before, tree(400), [])
        trees.append(after)
    archived = replace(trees[-1], archived=2)
    on.trees.grow(trees[-1], archived, [])
    with pytest.raises(HeadMoved):
        on.trees.grow(trees[-1], tree(400), [])
    assert on.trees.get("acme") == archived


def test_a_checkpoint_gets_signatures_while_it_is_as_it_was_read(on: Stores) -> None:
    at = tree(3)
    on.trees.grow(None, at, [])
    made = [Checkpoint(3, f"note at {time}", time) for time in (90, 1_000)]
    for each in made:
        after = replace(at, signed=3, timed_ms=each.made_at_ms)
        on.trees.sign(at, after, each, [])
        at = after
    for place, each in enumerate(made):
        more = replace(each, note=f"{each.note} and more")
        on.trees.cosign("acme", each, more)
        with pytest.raises(HeadMoved):
            on.trees.cosign("acme", each, replace(each, note="something else"))
        made[place] = more
        assert [*on.trees.checkpoints("acme", 0, 9)] == made
    for wrong in (
        Checkpoint(2, made[0].note, made[0].made_at_ms),
        Checkpoint(3, made[0].note, made[1].made_at_ms),
        Checkpoint(4, made[0].note, made[0].made_at_ms),
    ):
        with pytest.raises(HeadMoved):
            on.trees.cosign("acme", wrong, wrong)
    with pytest.raises(HeadMoved):
        on.trees.cosign("beta", made[0], made[0])
    assert [*on.trees.checkpoints("acme", 0, 9)] == made
    assert on.trees.get("acme") == at


def test_a_checkpoint_and_the_event_that_tells_of_it_come_together(on: Stores) -> None:
    on.trees.grow(None, tree(3), [])
    change = new_batch_id(1_774_000_000_000, bytes(10))
    told = own_batch("acme", [{"type": "tocsin.checkpoint"}], change)
    at = tree(3, signed=3)
    with pytest.raises(HeadMoved):
        on.trees.sign(tree(2), at, Checkpoint(3, "n", 10), [], told)
    assert not on.journal.get("acme", [change])
    on.trees.sign(tree(3), at, Checkpoint(3, "n", 10), [], told)
    assert on.journal.get("acme", [change])
