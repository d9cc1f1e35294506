"""A ledger's events as lines of JSON, each holding what was hashed, byte by byte.

Whoever has them computes the chain again without parsing an event: ``event`` is the last member, so
its bytes are those between ``"event":`` and the line's last brace.
"""

from tocsin.domain.segment import SealedEvent

__all__ = ["leaf_line", "line"]


def line(event: SealedEvent) -> bytes:
    """Return an event as a line of JSON, the entry in it as it was hashed."""
    return b'{"seq":%d,"prev_hash":"%b","hash":"%b","event":%b}\n' % (
        event.seq,
        event.prev_hash.hex().encode(),
        event.hash.hex().encode(),
        event.hashed,
    )


def leaf_line(seq: int, prev_hash: bytes, hash: bytes, leaf: bytes) -> bytes:
    """Return the line of an event that is not kept any more: what is left of it."""
    return b'{"seq":%d,"prev_hash":"%b","hash":"%b","leaf":"%b"}\n' % (
        seq,
        prev_hash.hex().encode(),
        hash.hex().encode(),
        leaf.hex().encode(),
    )
