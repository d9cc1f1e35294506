"""Checkpoints: a log's size and root, as the text of a note. See https://c2sp.org/tlog-checkpoint.

::

    tocsin/7c1f0a52d0e8b936/acme
    20852163
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
"""

from dataclasses import dataclass
from typing import Self

from tocsin.domain.chain import HASH_BYTES
from tocsin.wire.log.faults import BadFormat
from tocsin.wire.log.texts import MAX_NUMBER, from_base64, is_line, number, to_base64

__all__ = ["Checkpoint"]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of the log that ``origin`` names: ``size`` leaves, and the ``root`` of their tree.

    ``root`` has 32 bytes (RFC 6962, section 2.1). ``extensions`` are lines of whatever the log
    likes, which nobody can audit: Tocsin writes none, and reads them.

    Raises:
        BadFormat: it could not be written as a checkpoint.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what could not be read again."""
        if not is_line(self.origin):
            raise BadFormat("a checkpoint's origin is a line of text")
        if not 0 <= self.size <= MAX_NUMBER:
            raise BadFormat("a checkpoint's size is from 0 to 2^63 - 1")
        if len(self.root) != HASH_BYTES:
            raise BadFormat(f"a checkpoint's root has {len(self.root)} bytes and not {HASH_BYTES}")
        if not all(map(is_line, self.extensions)):
            raise BadFormat("a checkpoint's extensions are lines of text")

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the checkpoint of a note's text.

        Raises:
            BadFormat: it is none.
        """
        *lines, rest = text.split("\n")
        if rest or len(lines) < 3:
            raise BadFormat(
                "a checkpoint has three lines or more, and ends with the last one's end"
            )
        origin, size, root, *extensions = lines
        return cls(
            origin,
            number(size, "a checkpoint's size"),
            from_base64(root, "a checkpoint's root", HASH_BYTES),
            tuple(extensions),
        )

    @property
    def text(self) -> str:
        """The text of the note."""
        lines = (self.origin, str(self.size), to_base64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)
