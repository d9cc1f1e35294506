"""The proof that a checkpoint goes on from another one, in the words in which witnesses are asked.

::

    old 20852163
    gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
    …

    tocsin/7c1f0a52d0e8b936/acme
    20852170
    …

The hashes are those of RFC 9162, section 2.1.4; the rest, from the empty line on, is the later
checkpoint. See https://c2sp.org/tlog-witness#add-checkpoint.
"""

from dataclasses import dataclass
from typing import Final, Self

from tocsin.wire.log import notes
from tocsin.wire.log.faults import BadFormat
from tocsin.wire.log.hashes import MAX_HASHES, check_hashes, read_hashes, split
from tocsin.wire.log.texts import MAX_NUMBER, number, to_base64

__all__ = ["Growth"]

_OLD: Final = "old "
_MAX_BYTES: Final = len(_OLD) + 64 * MAX_HASHES + notes.MAX_BYTES


@dataclass(frozen=True, slots=True)
class Growth:
    """That a signed ``checkpoint``, as its bytes, goes on from a tree of ``old`` leaves.

    Raises:
        BadFormat: it could not be written.
    """

    old: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes

    def __post_init__(self) -> None:
        """Refuse what could not be read again."""
        if not 0 <= self.old <= MAX_NUMBER:
            raise BadFormat("a tree's size is from 0 to 2^63 - 1")
        check_hashes(self.hashes)

    @classmethod
    def read(cls, proof: bytes) -> Self:
        """Return the proof of its bytes; nothing of it is verified.

        Raises:
            BadFormat: it is none.
        """
        (first, *lines), checkpoint = split(proof, _MAX_BYTES)
        if not first.startswith(_OLD):
            raise BadFormat("a proof begins with the size of the older tree")
        old = number(first.removeprefix(_OLD), "the size of the older tree")
        return cls(old, read_hashes(lines), checkpoint)

    @property
    def data(self) -> bytes:
        """The bytes that :meth:`read` reads."""
        lines = [f"{_OLD}{self.old}", *map(to_base64, self.hashes), "", ""]
        return "\n".join(lines).encode() + self.checkpoint
