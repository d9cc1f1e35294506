"""An org's Merkle tree over its ledger, and the checkpoints that are signed of it.

Leaf i is that of seq i + 1. Of the nodes above leaves those of heights 8, 16, 24 … are kept: they
are the hashes of C2SP's tiles (https://c2sp.org/tlog-tiles), from which the others follow.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from tocsin.domain.chain import genesis
from tocsin.domain.merkle import Peaks

__all__ = [
    "CHECKPOINT",
    "TILE_HEIGHT",
    "TILE_WIDTH",
    "Checkpoint",
    "Cosigned",
    "LogKey",
    "Tree",
    "history_of",
]

CHECKPOINT: Final = "tocsin.checkpoint"
"""The type of the event that tells of a day's checkpoint, where an endpoint asks for it."""

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT


@dataclass(frozen=True, slots=True)
class Cosigned:
    """What a witness has cosigned last of a tree.

    Attributes:
        witness: Its key's name, a plus sign, and the key's id in hexadecimal digits.
        size: The size of the checkpoint.
        timed_ms: The tree's, by then: with the size it says which checkpoint it was.
    """

    witness: str
    size: int
    timed_ms: int


@dataclass(frozen=True, slots=True)
class Tree:
    """How far an org's tree is made.

    Attributes:
        org: Whose it is.
        origin: What names it in checkpoints, from the first one on.
        peaks: It.
        hash: That of the ledger's chain at its end.
        signed: The size of the last checkpoint; None: there is none.
        keys: The verifier keys that it was signed with (https://c2sp.org/signed-note).
        archived: How many events of it are in the archive, with every checkpoint of so many.
        timed_ms: When a checkpoint was signed last that says so itself, in Unix milliseconds.
        cosigned: What each witness has cosigned last, if it has.
        history: What :func:`history_of` says of the log's keys; empty: an older version wrote it.
        held: Up to which event those were copied into the archive that a legal hold keeps.
    """

    org: str
    origin: str
    peaks: Peaks
    hash: bytes
    signed: int | None = None
    keys: tuple[str, ...] = ()
    archived: int = 0
    timed_ms: int = 0
    cosigned: tuple[Cosigned, ...] = ()
    history: bytes = b""
    held: int = 0

    @classmethod
    def empty(cls, org: str, origin: str) -> "Tree":
        """Return the tree of a ledger that holds nothing yet."""
        return cls(org, origin, Peaks(), genesis(org))

    @property
    def size(self) -> int:
        """How many events it covers."""
        return self.peaks.size

    @property
    def signed_since_ms(self) -> int:
        """When its last checkpoint was made at the earliest, in Unix milliseconds.

        An older version may have signed one by a clock that had gone back since.
        """
        return self.timed_ms if self.history else 0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed statement of what an org's tree was.

    Attributes:
        size: How many events it covers.
        note: The signed note (https://c2sp.org/tlog-checkpoint).
        made_at_ms: When it was signed, in Unix milliseconds.
    """

    size: int
    note: str
    made_at_ms: int


@dataclass(frozen=True, slots=True)
class LogKey:
    """A key of an org's checkpoints, and when it signed.

    Attributes:
        verifier: The verifier key.
        since_size: The size of the first checkpoint that it signed.
        since_ms: When that was, in Unix milliseconds.
        until_size: The size of the first checkpoint that it did not sign any more; None: it signs.
        until_ms: When that was.
    """

    verifier: str
    since_size: int
    since_ms: int
    until_size: int | None = None
    until_ms: int | None = None


def history_of(keys: Iterable[LogKey]) -> bytes:
    """Return a hash of all that is known of a log's keys, in whatever order they are given."""
    lines = sorted(
        f"{key.verifier} {key.since_size} {key.since_ms} {key.until_size} {key.until_ms}\n"
        for key in keys
    )
    return sha256("".join(lines).encode()).digest()
