"""Trees and proofs against RFC 6962's own definition, public vectors and another implementation."""

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from tocsin.domain import chain
from tocsin.domain.merkle import (
    EMPTY,
    BadProof,
    Hashes,
    Peaks,
    check_consistency,
    check_inclusion,
    consistency,
    inclusion,
    join,
    root_by,
    root_of,
)

# Of the tests of https://github.com/google/certificate-transparency (merkletree), as are the roots.
ENTRIES = [
    bytes.fromhex(each)
    for each in (
        *("", "00", "10", "2021", "3031", "40414243", "5051525354555657"),
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
MOST = 70
LEAVES = [chain.leaf(str(number).encode()) for number in range(MOST)]


def defined(leaves: Sequence[bytes]) -> bytes:
    """Return the root as section 2.1 of RFC 6962 defines it."""
    if len(leaves) < 2:
        return leaves[0] if leaves else EMPTY
    split = max(1 << bit for bit in range(20) if 1 << bit < len(leaves))
    return join(defined(leaves[:split]), defined(leaves[split:]))


def hashes_of(leaves: Sequence[bytes]) -> Hashes:
    _, nodes = Peaks().grown(leaves)
    known = {(height, number): digest for height, number, digest in nodes}
    return lambda height, number: known[height, number] if height else leaves[number]


def test_public_vectors() -> None:
    assert sha256(b"").digest() == Peaks().root == EMPTY
    for count, root in enumerate(ROOTS, 1):
        peaks, _ = Peaks().grown(map(chain.leaf, ENTRIES[:count]))
        assert peaks.root.hex() == root


@given(st.integers(0, MOST), st.integers(0, MOST))
def test_a_tree_may_grow_in_any_steps(one: int, other: int) -> None:
    first, last = sorted((one, other))
    begun, before = Peaks().grown(LEAVES[:first])
    grown, after = begun.grown(LEAVES[first:last])
    assert (grown, before + after) == Peaks().grown(LEAVES[:last])
    hashes = hashes_of(LEAVES[:last])
    assert grown.nodes == {place: hashes(*place) for place in grown.nodes}
    assert grown.root == defined(LEAVES[:last]) == root_of(last, hashes_of(LEAVES[:last]))


@pytest.mark.parametrize("size", range(1, MOST))
def test_proofs_are_those_of_another_implementation(size: int) -> None:
    theirs = InmemoryTree(algorithm="sha256")
    for number in range(MOST):
        theirs.append_entry(str(number).encode())
    hashes, root = hashes_of(LEAVES), defined(LEAVES[:size])
    for index in range(size):
        proof = inclusion(index, size, hashes)
        assert proof == theirs.prove_inclusion(index + 1, size).path[1:]  # it begins with the leaf
        check_inclusion(LEAVES[index], index, size, proof, root)
    for old in range(1, size + 1):
        proof = consistency(old, size, hashes)
        check_consistency(old, theirs.get_root(old), size, theirs.get_root(size), proof)


@given(st.data())
def test_what_is_not_the_proof_shows_nothing(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, MOST - 1))
    index = data.draw(st.integers(0, size - 1))
    hashes, root = hashes_of(LEAVES), defined(LEAVES[:size])
    proof = inclusion(index, size, hashes)
    other_root = defined(LEAVES[: size + 1])
    wrong = data.draw(st.sampled_from(["leaf", "index", "size", "root", "cut", "longer", "bit"]))
    leaf, at, of, to = LEAVES[index], index, size, root
    match wrong:
        case "leaf":
            leaf = LEAVES[-1]
        case "index":
            at = data.draw(st.integers(-1, size).filter(lambda each: each != index))
        case "size":
            of = data.draw(
                st.integers(0, 2 * MOST).filter(
                    lambda each: _path(index, each) != _path(index, size)
                )
            )
        case "root":
            to = other_root
        case "cut" if proof:
            proof.pop(data.draw(st.integers(0, len(proof) - 1)))
        case "bit" if proof:
            place = data.draw(st.integers(0, len(proof) - 1))
            proof[place] = bytes([proof[place][0] ^ 1]) + proof[place][1:]
        case _:
            proof.append(root)
    with pytest.raises(BadProof):
        check_inclusion(leaf, at, of, proof, to)


def _path(index: int, size: int) -> list[bool] | None:
    """Return on which sides a leaf's siblings are: a size with the same ones proves the same."""
    if not 0 <= index < size:
        return None
    sides, place, last = list[bool](), index, size - 1
    while last:
        if place & 1 or place == last:
            sides.append(True)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            sides.append(False)
        place, last = place >> 1, last >> 1
    return sides


@given(st.data())
def test_a_tree_that_was_changed_is_no_beginning(data: st.DataObject) -> None:
    new = data.draw(st.integers(1, MOST - 1))
    old = data.draw(st.integers(1, new))
    place = data.draw(st.integers(0, old - 1))
    forged = [*LEAVES[:place], chain.leaf(b"forged"), *LEAVES[place + 1 : new]]
    proof = consistency(old, new, hashes_of(LEAVES))
    told = consistency(old, new, hashes_of(forged))
    for theirs in (proof, told):
        with pytest.raises(BadProof):
            check_consistency(old, defined(LEAVES[:old]), new, defined(forged), theirs)
    with pytest.raises(BadProof):
        check_consistency(new + 1, defined(LEAVES[: new + 1]), new, defined(LEAVES[:new]), proof)
    with pytest.raises(BadProof):
        check_consistency(old, defined(LEAVES[:old]), new, defined(LEAVES[:new]), [*proof, EMPTY])


def test_no_leaf_is_beyond_the_tree() -> None:
    hashes = hashes_of(LEAVES)
    for index in (-1, 7):
        with pytest.raises(ValueError, match="of 7"):
            inclusion(index, 7, hashes)
    with pytest.raises(ValueError, match="in one of 7"):
        consistency(8, 7, hashes)


@given(st.data())
def test_a_root_by_way_of_nodes_is_the_tree_s_only_with_each_of_them(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, MOST))
    height = data.draw(st.integers(0, size.bit_length() - 1))
    most = size >> height
    first = data.draw(st.integers(0, most - 1))
    nodes = range(first, data.draw(st.integers(first + 1, most)))
    changed = data.draw(st.sampled_from(nodes))
    hashes = hashes_of(LEAVES[:size])

    def other(at: int, number: int) -> bytes:
        return b"x" * 32 if (at, number) == (height, changed) else hashes(at, number)

    root = root_of(size, hashes)
    assert root_by(size, hashes, height, nodes) == root
    assert root_by(size, other, height, nodes) != root
