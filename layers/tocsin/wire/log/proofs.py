"""Proofs: a file that shows that an entry is in a log. See https://c2sp.org/tlog-proof.

::

    c2sp.org/tlog-proof@v1
    extra eyJpZCI6ImV2dF8wMWo4…
    index 73894
    gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
    …

    tocsin/7c1f0a52d0e8b936/acme
    109482
    …

The hashes go from the leaf's sibling up; the rest, from the empty line on, is a signed checkpoint.
Its usual extension is ``.tlog-proof``.
"""

from dataclasses import dataclass
from typing import Final, Self

from tocsin.domain import merkle
from tocsin.wire.log import notes
from tocsin.wire.log.faults import BadFormat
from tocsin.wire.log.hashes import MAX_HASHES, check_hashes, read_hashes, split
from tocsin.wire.log.policies import Policy, Trusted
from tocsin.wire.log.texts import MAX_NUMBER, from_base64, number, to_base64

__all__ = ["MAX_EXTRA_BYTES", "Proof", "verify"]

MAX_EXTRA_BYTES: Final = 2 * 1024 * 1024
"""Of what goes with a proof: an event of any size fits."""

_FIRST: Final = "c2sp.org/tlog-proof@v1"
_EXTRA: Final = "extra "
_INDEX: Final = "index "
_MAX_BYTES: Final = (
    len(_FIRST + _EXTRA + _INDEX) + 2 * MAX_EXTRA_BYTES + 64 * MAX_HASHES + notes.MAX_BYTES
)


@dataclass(frozen=True, slots=True)
class Proof:
    """That a leaf is at an ``index``, from 0, of the tree of a signed ``checkpoint``, as its bytes.

    ``hashes`` have 32 bytes each. ``extra`` is what its writer likes, b"" if nothing: it is not
    proved by anything.

    Raises:
        BadFormat: it could not be written.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""

    def __post_init__(self) -> None:
        """Refuse what could not be read again."""
        if not 0 <= self.index <= MAX_NUMBER:
            raise BadFormat("a proof's index is from 0 to 2^63 - 1")
        check_hashes(self.hashes)
        if len(self.extra) > MAX_EXTRA_BYTES:
            raise BadFormat(f"what goes with a proof has at most {MAX_EXTRA_BYTES:,} bytes")

    @classmethod
    def read(cls, proof: bytes) -> Self:
        """Return the proof of a file; nothing of it is verified.

        Raises:
            BadFormat: it is none.
        """
        (first, *lines), checkpoint = split(proof, _MAX_BYTES)
        if first != _FIRST:
            raise BadFormat(f"a proof begins with {_FIRST}")
        extra = b""
        if lines and lines[0].startswith(_EXTRA):
            extra = from_base64(lines.pop(0).removeprefix(_EXTRA), "what goes with a proof")
        if not (lines and lines[0].startswith(_INDEX)):
            raise BadFormat("a proof has a line that says the index")
        index = number(lines.pop(0).removeprefix(_INDEX), "a proof's index")
        return cls(index, read_hashes(lines), checkpoint, extra)

    @property
    def data(self) -> bytes:
        """The bytes that :meth:`read` reads."""
        lines = [_FIRST, *([_EXTRA + to_base64(self.extra)] if self.extra else [])]
        lines += [f"{_INDEX}{self.index}", *map(to_base64, self.hashes), "", ""]
        return "\n".join(lines).encode() + self.checkpoint


def verify(proof: Proof, leaf: bytes, policy: Policy) -> Trusted:
    """Return the checkpoint whose tree has this leaf at the proof's index, and who has signed it.

    ``leaf`` is the entry's hash (:func:`tocsin.domain.chain.leaf`), made by who verifies.

    Raises:
        BadFormat, BadSignature, NotTrusted: as :meth:`.Policy.check`.
        BadProof: the leaf is not in that tree, or not at this index.
    """
    trusted = policy.check(proof.checkpoint)
    tree = trusted.checkpoint
    merkle.check_inclusion(leaf, proof.index, tree.size, proof.hashes, tree.root)
    return trusted
