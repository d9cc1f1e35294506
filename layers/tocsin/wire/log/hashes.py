"""What proofs are made of: lines, of which the last are hashes, an empty line, and a checkpoint."""

from collections.abc import Sequence
from typing import Final

from tocsin.domain.chain import HASH_BYTES
from tocsin.wire.log.faults import BadFormat
from tocsin.wire.log.texts import MAX_NUMBER, from_base64

__all__ = ["MAX_HASHES", "check_hashes", "read_hashes", "split"]

MAX_HASHES: Final = MAX_NUMBER.bit_length()
"""Of a proof: no tree is higher."""


def split(proof: bytes, max_bytes: int) -> tuple[list[str], bytes]:
    """Return the lines of a proof, one at least, and its checkpoint.

    Raises:
        BadFormat: it is none, or longer.
    """
    if len(proof) > max_bytes:
        raise BadFormat(f"a proof has at most {max_bytes:,} bytes")
    head, gap, checkpoint = proof.partition(b"\n\n")
    if not gap or not head.isascii():
        raise BadFormat("a proof is its lines, an empty line, and a checkpoint")
    return head.decode().split("\n"), checkpoint


def read_hashes(lines: Sequence[str]) -> tuple[bytes, ...]:
    """Return the hashes of a proof's lines.

    Raises:
        BadFormat: there are more than :data:`MAX_HASHES`, or one is none.
    """
    if len(lines) > MAX_HASHES:
        raise BadFormat(f"a proof has at most {MAX_HASHES} hashes")
    return tuple(from_base64(line, "a proof's hash", HASH_BYTES) for line in lines)


def check_hashes(hashes: Sequence[bytes]) -> None:
    """Refuse hashes that could not be read again.

    Raises:
        BadFormat: there are more than :data:`MAX_HASHES`, or one has another length.
    """
    if len(hashes) > MAX_HASHES or {*map(len, hashes)} - {HASH_BYTES}:
        raise BadFormat(f"a proof has up to {MAX_HASHES} hashes of {HASH_BYTES} bytes")
