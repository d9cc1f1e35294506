"""The hash chain over an org's ledger.

``leaf = SHA-256(0x00 ‖ entry)`` is RFC 6962's leaf hash, so a Merkle tree can stand on the same
entries. ``hash(n) = SHA-256(hash(n-1) ‖ leaf(n))`` and ``hash(0) = SHA-256("tocsin/v1/" ‖ org)``.
Hashes are 32 bytes here and lower-case hex outside.
"""

from collections.abc import Iterable
from hashlib import sha256

__all__ = ["HASH_BYTES", "extend", "genesis", "leaf"]

HASH_BYTES = 32


def genesis(org: str) -> bytes:
    """Return hash(0) of an org's chain, 32 bytes."""
    return sha256(b"tocsin/v1/" + org.encode()).digest()


def leaf(entry: bytes) -> bytes:
    """Return the leaf hash of an entry's canonical bytes (RFC 6962, section 2.1)."""
    return sha256(b"\x00" + entry).digest()


def extend(previous: bytes, leaves: Iterable[bytes]) -> list[bytes]:
    """Return hash(n) for each leaf, given the hash before the first of them."""
    hashes = []
    for each in leaves:
        previous = sha256(previous + each).digest()
        hashes.append(previous)
    return hashes
