"""A copy of what an archive has of a log: its checkpoints, and its leaves."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from tocsin.cli._failure import USAGE, Failure
from tocsin.cli._trust import small_file
from tocsin.domain.chain import HASH_BYTES
from tocsin.wire.log.faults import BadFormat
from tocsin.wire.log.tiles import WIDTH, Tile, read_hashes

__all__ = ["ArchiveFolder"]

_MOST_CHECKPOINTS: Final = 20_000  # the last ones: each has a signature to verify
_MOST_TILES: Final = 64  # that are held at once


class ArchiveFolder:
    """The folder of one log: ``checkpoints/…`` and ``tile/0/…``."""

    def __init__(self, folder: Path) -> None:
        """Look at it.

        Raises:
            Failure: It is none.
        """
        if not (folder / "checkpoints").is_dir():
            raise Failure(
                f"{folder} is no log's archive: it has a folder `checkpoints`, and `tile` beside",
                USAGE,
            )
        self._folder = folder
        self._tile = lru_cache(_MOST_TILES)(self._read)

    @property
    def checkpoints(self) -> Iterator[Path]:
        """The checkpoints' files, in the order of their sizes; the last ones of very many."""
        found = sorted(
            path for path in (self._folder / "checkpoints").iterdir() if path.name[:1] != "."
        )
        return iter(found[-_MOST_CHECKPOINTS:])

    def leaf(self, place: int) -> bytes | None:
        """Return the leaf at a place, from 0; None: it is not here."""
        index, at = divmod(place, WIDTH)
        hashes = self._tile(index)
        return hashes[at] if at < len(hashes) else None

    def _read(self, index: int) -> Sequence[bytes]:
        """Return the leaves of a tile: of the full one, or of the widest part that there is."""
        full = self._folder / Tile(0, index).path
        parts = full.with_name(f"{full.name}.p")
        widths = [int(each.name) for each in parts.glob("*") if each.name.isdecimal()]
        widths = sorted((each for each in widths if 1 <= each < WIDTH), reverse=True)
        for tile, path in (
            (Tile(0, index), full),
            *((Tile(0, index, width), parts / str(width)) for width in widths),
        ):
            try:
                if path.is_file():
                    return read_hashes(tile, small_file(path, WIDTH * HASH_BYTES))
            except (BadFormat, Failure):
                continue  # a file that is cut or too long: as if it were not there
        return ()
