"""Tiles and bundles, as https://c2sp.org/tlog-tiles has them."""

from collections import Counter
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain import chain, merkle
from tocsin.wire.log.faults import BadFormat, EntryTooLong
from tocsin.wire.log.tiles import (
    MAX_ENTRY_BYTES,
    Tile,
    read_bundle,
    read_hashes,
    tiles,
    write_bundle,
)


@pytest.mark.parametrize(
    ("path", "tile"),
    [
        ("tile/0/x001/x234/067", Tile(0, 1_234_067)),  # the specification's index
        ("tile/0/x001/x234/067.p/12", Tile(0, 1_234_067, 12)),
        ("tile/entries/x001/x234/067.p/255", Tile(None, 1_234_067, 255)),
        ("tile/entries/000", Tile(None, 0)),
        ("tile/1/000.p/1", Tile(1, 0, 1)),
        ("tile/0/999", Tile(0, 999)),
        ("tile/0/x001/000", Tile(0, 1_000)),
        ("tile/63/000", Tile(63, 0)),
        (
            "tile/0/x036/x028/x797/x018/963/967".replace("/963", "/x963"),
            Tile(0, (2**63 - 1) // 256),
        ),
    ],
)
def test_a_path_is_read_and_written(path: str, tile: Tile) -> None:
    assert Tile.read(path) == tile
    assert tile.path == path


@pytest.mark.parametrize(
    "path",
    [
        *("", "tile", "tile/", "tile/0", "tile/0/", "/tile/0/000", "tile/0/000/", "tile//000"),
        *("tile/0/0", "tile/0/00", "tile/0/0000", "tile/0/x000", "tile/0/x001/x234"),
        *("tile/0/x000/001", "tile/0/001/234", "tile/0/x001/x234/x067", "tile/0/X001/234"),
        *("tile/00/000", "tile/01/000", "tile/64/000", "tile/100/000", "tile/-1/000"),
        *("tile/data/000", "tile/Entries/000", "tile/8/0/000", "tile/entries/0/000"),
        *("tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/999"),
        *("tile/0/000.p/", "tile/0/000.p", "tile/0/000p/1", "tile/0/000.p/1/", "tile/0/000.p/-1"),
        *("tile/0/000\n", "tile/0/000.p/1\n", "tile/\u0660/000", "tile/0/\u0660\u0660\u0660"),
        *("tile/0/../000", "tile/0/%30%30%30", "tile/0/ 00", "tile/0/+00", "tile/0/0_0"),
        "tile/0/000.p/\uff11",
        "tile/0/x036/x028/x797/x018/x963/968",  # leaf 2^63
        "tile/1/x036/x028/x797/x018/x963/967",
        "tile/63/001",
        "tile/0/" + "x999/" * 7 + "999",
    ],
)
def test_what_is_no_path_is_not_read(path: str) -> None:
    with pytest.raises(BadFormat):
        Tile.read(path)


@pytest.mark.parametrize(
    ("level", "index", "width"),
    [(-1, 0, 1), (64, 0, 1), (0, -1, 1), (0, 0, 0), (0, 0, 257), (0, 2**55, 1), (None, 2**55, 1)],
)
def test_no_tree_has_such_a_tile(level: int | None, index: int, width: int) -> None:
    with pytest.raises(BadFormat):
        Tile(level, index, width)


def test_the_specification_s_tree_has_its_tiles() -> None:
    all_of = [*tiles(0, 70_000)]
    assert Counter((tile.level, tile.width) for tile in all_of) == {
        (0, 256): 273,
        (0, 112): 1,
        (1, 256): 1,
        (1, 17): 1,
        (2, 1): 1,
    }
    assert [*tiles(0, 256)] == [Tile(0, 0), Tile(1, 0, 1)]
    assert [*tiles(0, 0)] == []


@given(st.integers(0, 2**20), st.integers(0, 2_000), st.integers(0, 2_000))
def test_tiles_of_two_steps_are_those_of_both(start: int, first: int, second: int) -> None:
    middle, end = start + first, start + first + second
    grown = {*tiles(start, end)}
    assert grown <= {*tiles(start, middle), *tiles(middle, end)}
    assert all(tile.is_in(end) and not tile.is_in(start) for tile in grown)
    again = {*tiles(start, middle), *tiles(middle, end)} - grown
    assert all(tile.is_in(middle) for tile in again)  # partial ones, since replaced
    assert [*tiles(end, end)] == []


@pytest.mark.parametrize(
    ("tile", "size"),
    [
        (Tile(0, 0, 1), 1),
        (Tile(0, 0), 256),
        (Tile(None, 1, 5), 261),
        (Tile(1, 0, 17), 17 * 256),
        (Tile(1, 0), 2**16),
        (Tile(2, 0, 1), 2**16),
    ],
)
def test_a_tile_is_in_trees_from_a_size_on(tile: Tile, size: int) -> None:
    assert tile.is_in(size) and tile.is_in(size + 1)
    assert not tile.is_in(size - 1)


def test_the_hashes_of_a_level_are_the_roots_of_tiles_below() -> None:
    """What level, index and width mean, on a tree: MTH of the leaves that the docstring says."""
    leaves = [chain.leaf(bytes([number & 255])) for number in range(600)]
    whole, nodes = merkle.Peaks().grown(leaves)
    by_place = {(height, number): digest for height, number, digest in nodes}
    (tile,) = [each for each in tiles(0, whole.size) if each.level == 1]
    assert (tile.height, tile.width) == (8, 2)
    for place in range(tile.width):
        below = Tile(0, place)
        assert (
            merkle.Peaks().grown(leaves[below.start : below.start + 256])[0].root
            == (by_place[tile.height, place])
        )


# Bundles


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
def test_entries_come_out_as_they_went_in(entries: list[bytes]) -> None:
    assert read_bundle(write_bundle(entries)) == entries


def test_lengths_are_two_bytes_high_one_first() -> None:
    assert write_bundle([b"abc", b""]) == b"\x00\x03abc\x00\x00"
    long = bytes(MAX_ENTRY_BYTES)
    assert write_bundle([long]) == b"\xff\xff" + long
    assert read_bundle(b"\xff\xff" + long) == [long]


def test_an_entry_that_is_too_long_is_named() -> None:
    with pytest.raises(EntryTooLong, match="65,536 bytes") as raised:
        write_bundle([b"a", bytes(MAX_ENTRY_BYTES + 1), b"b"])
    assert raised.value.place == 1


@pytest.mark.parametrize("count", [0, 257])
def test_a_bundle_has_from_1_to_256_entries(count: int) -> None:
    with pytest.raises(BadFormat):
        write_bundle([b"a"] * count)
    with pytest.raises(BadFormat):
        read_bundle(b"\x00\x01a" * count)


def test_a_bundle_that_is_cut_is_none() -> None:
    whole = write_bundle([b"abc", b"de"])
    ends = {0, 5, len(whole)}  # between entries
    for end in {*range(len(whole))} - ends:
        with pytest.raises(BadFormat):
            read_bundle(whole[:end])
    with pytest.raises(BadFormat):
        read_bundle(whole + b"\x00")


def test_hashes_are_as_many_as_the_tile_is_wide() -> None:
    hashes = [sha256(bytes([number])).digest() for number in range(3)]
    assert read_hashes(Tile(0, 0, 3), b"".join(hashes)) == hashes
    for data in (b"", b"".join(hashes[:2]), b"".join(hashes)[:-1], b"".join(hashes) + b"\0"):
        with pytest.raises(BadFormat):
            read_hashes(Tile(0, 0, 3), data)
