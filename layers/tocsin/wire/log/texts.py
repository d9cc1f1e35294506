"""What C2SP's texts are made of: lines, base64, numbers. Each value can be written in one way only.

Other readers may take more (padding that says something, signs, leading zeroes): were two texts the
same evidence, one of them could be passed for new.
"""

import re
from base64 import b64decode, b64encode
from typing import Final

from tocsin.wire.log.faults import BadFormat

__all__ = ["MAX_NUMBER", "from_base64", "is_line", "number", "to_base64", "utf8"]

MAX_NUMBER: Final = 2**63 - 1
"""The greatest size, index or time. What C2SP calls a number is at most this or unbounded."""

_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


def number(text: str, what: str) -> int:
    """Return a decimal number from 0 to :data:`MAX_NUMBER`, without a sign or leading zeroes.

    Raises:
        BadFormat: it is none; ``what`` it should be is named.
    """
    if _NUMBER.fullmatch(text) and (value := int(text)) <= MAX_NUMBER:
        return value
    raise BadFormat(f"{what} is a decimal number up to 2^63 - 1, without leading zeroes")


def from_base64(text: str, what: str, size_bytes: int | None = None) -> bytes:
    """Return what a text stands for in base64 (RFC 4648, section 4), padded; not nothing.

    Raises:
        BadFormat: it is no base64, not as it is written, or not of this size.
    """
    try:
        data = b64decode(text, validate=True)
    except ValueError:
        data = b""
    if not data or to_base64(data) != text:
        raise BadFormat(f"{what} is not in base64, or not as it is written")
    if size_bytes is not None and len(data) != size_bytes:
        raise BadFormat(f"{what} has {len(data)} bytes and not {size_bytes}")
    return data


def to_base64(data: bytes) -> str:
    """Return bytes in base64, padded."""
    return b64encode(data).decode()


def is_line(text: str) -> bool:
    """Whether a text can be a line of a note: not empty, UTF-8, without control characters.

    Those are the ones below U+0020 (https://c2sp.org/signed-note#format): a line may hold others
    that some programs break lines at.
    """
    return bool(text) and min(text) >= " " and utf8(text) is not None


def utf8(text: str) -> bytes | None:
    """Return a text as bytes, or None if it has half a pair of surrogates."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return None
