"""States as bytes: parts with their lengths, so that each part packs itself."""

from collections.abc import Iterable

__all__ = ["Damaged", "join", "split"]


class Damaged(ValueError):
    """Bytes that are no state, or one of another version."""


def join(parts: Iterable[bytes]) -> bytes:
    """Return parts (each under 64 KB) as one."""
    return b"".join(len(part).to_bytes(2) + part for part in parts)


def split(data: bytes) -> list[bytes]:
    """Return what was joined.

    Raises:
        Damaged: nothing was.
    """
    parts, at = list[bytes](), 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2])
        if end > len(data) or at + 2 > len(data):
            raise Damaged("the parts have other lengths")
        parts.append(data[at + 2 : end])
        at = end
    return parts
