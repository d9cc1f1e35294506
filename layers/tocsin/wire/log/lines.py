"""A ledger's lines, as who checks them reads them: what :mod:`tocsin.wire.entries` writes.

An event's bytes are taken as they are: nothing parses them. A line that could be read in two ways
is none, so what a checker has found is so for every reader.
"""

import re
from hashlib import sha256
from typing import Final, NamedTuple, Self

from tocsin.domain.limits import MAX_EVENT_BYTES
from tocsin.wire.log.faults import BadFormat

__all__ = ["MAX_LINE_BYTES", "Line", "linked"]

MAX_LINE_BYTES: Final = 4 * MAX_EVENT_BYTES
"""Of a line, without its end: an event, with what Tocsin adds, takes less."""

_HEAD: Final = re.compile(
    rb'\{"seq":([1-9][0-9]{0,15}),"prev_hash":"([0-9a-f]{64})","hash":"([0-9a-f]{64})",'
    rb'(?:"event":(?=\{)|"leaf":"([0-9a-f]{64})"\}\Z)'
)
_CLOSING: Final = b"}}"


class Line(NamedTuple):
    """What a line says; hashes have 32 bytes. The leaf is computed where the event is there."""

    seq: int
    before: bytes
    hash: bytes
    leaf: bytes
    has_event: bool

    @classmethod
    def read(cls, line: bytes) -> Self:
        """Return what a line says, which is given without its end.

        Raises:
            BadFormat: it is no line of a ledger.
        """
        if len(line) > MAX_LINE_BYTES:
            raise BadFormat(f"a line has at most {MAX_LINE_BYTES:,} bytes")
        head = _HEAD.match(line)
        if head is None or b"\n" in line:
            raise BadFormat("it is no line of a ledger")
        seq, before, hash, leaf = head.groups()
        if leaf is not None:
            computed = bytes.fromhex(leaf.decode())
        elif line.endswith(_CLOSING):
            computed = sha256(b"\0" + line[head.end() : -1]).digest()
        else:
            raise BadFormat("it is no line of a ledger: it is cut, or more follows the event")
        return cls(
            int(seq),
            bytes.fromhex(before.decode()),
            bytes.fromhex(hash.decode()),
            computed,
            leaf is None,
        )

    @property
    def holds(self) -> bool:
        """Whether its event leads from the hash before to its own."""
        return linked(self.before, self.leaf) == self.hash


def linked(before: bytes, leaf: bytes) -> bytes:
    """Return the hash that the chain has after a leaf."""
    return sha256(before + leaf).digest()
