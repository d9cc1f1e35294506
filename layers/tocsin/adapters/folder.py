"""An archive in a folder, for a Tocsin on one machine."""

from collections.abc import Sequence
from pathlib import Path
from typing import override

from tocsin.adapters.beside import beside
from tocsin.domain.errors import Busy
from tocsin.ports.evidence import Archive

__all__ = ["FolderArchive"]


class FolderArchive(Archive):
    """:class:`~tocsin.ports.evidence.Archive` under a folder; a file is there whole, or not."""

    is_apart = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @override
    def put(self, path: str, content: bytes, *, hold: bool = False) -> None:
        place = self._folder / path
        try:
            with beside(place, content) as begun:
                begun.replace(place)
        except OSError as error:
            raise Busy(f"the archive can't be written: {error}") from error

    @override
    def get(self, path: str) -> bytes | None:
        try:
            return (self._folder / path).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Busy(f"the archive can't be read: {error}") from error

    @override
    def folders(self, path: str) -> Sequence[str]:
        try:
            return sorted(each.name for each in (self._folder / path).iterdir() if each.is_dir())
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise Busy(f"the archive can't be read: {error}") from error
