"""Names of things: orgs, keys, batches and events.

A batch's id is a lower-case ULID (https://github.com/ulid/spec) whose lowest 10 bits are zero, and
its event number ``i`` has the id ``evt_`` + that ULID plus ``i``. So the ids of a batch are
consecutive, an event's id leads to its batch and its place in it without an index, and 70 random
bits a millisecond remain. 10 bits number 1,024 events, so no batch can hold more.
"""

import re

from tocsin.domain.limits import EVENT_IDS_PER_BATCH, MAX_ORG_CHARS

__all__ = [
    "EVENT_PREFIX",
    "batch_of",
    "batch_time_ms",
    "event_ids",
    "from_bytes",
    "is_batch_id",
    "is_name",
    "new_batch_id",
    "to_bytes",
]

EVENT_PREFIX = "evt_"

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, as ULID uses it
_SHIFTS = range(125, -1, -5)  # 26 letters of 5 bits: 128 bits, and two zeros before them
_TAILS = [a + b for a in _ALPHABET for b in _ALPHABET]  # the last 10 bits
_PLACE = {tail: i for i, tail in enumerate(_TAILS)}
_TO_BASE32HEX = str.maketrans(_ALPHABET, "0123456789abcdefghijklmnopqrstuv")  # as int() reads it
_ULID = re.compile(r"[0-7][0-9a-hjkmnp-tv-z]{25}", re.ASCII)
_NAME = re.compile(rf"[a-z0-9-]{{1,{MAX_ORG_CHARS}}}", re.ASCII)


def is_name(text: str) -> bool:
    """Whether ``text`` can be the id of an org or of a key: ``[a-z0-9-]{1,64}``."""
    return _NAME.fullmatch(text) is not None


def new_batch_id(now_ms: int, random: bytes) -> str:
    """Return a batch id for the Unix time ``now_ms`` (milliseconds) from 10 random bytes."""
    low = int.from_bytes(random[:10]) & -EVENT_IDS_PER_BATCH
    return from_bytes(((now_ms << 80) | low).to_bytes(16))


def is_batch_id(text: str) -> bool:
    """Whether ``text`` is a ULID as :func:`new_batch_id` makes them."""
    return _ULID.fullmatch(text) is not None and text.endswith("00")


def batch_time_ms(batch_id: str) -> int:
    """Return when a batch id was made, as Unix time in milliseconds."""
    return int(batch_id[:10].translate(_TO_BASE32HEX), 32)


def to_bytes(batch_id: str) -> bytes:
    """Return the 16 bytes of a batch id."""
    return int(batch_id.translate(_TO_BASE32HEX), 32).to_bytes(16)


def from_bytes(ulid: bytes) -> str:
    """Return the batch id that 16 bytes stand for.

    Raises:
        ValueError: there are not 16 of them.
    """
    if len(ulid) != 16:
        raise ValueError(f"a batch id has 16 bytes, not {len(ulid)}")
    number = int.from_bytes(ulid)
    return "".join([_ALPHABET[number >> shift & 31] for shift in _SHIFTS])


def event_ids(batch_id: str, count: int) -> list[str]:
    """Return the ids of the ``count`` events of a batch, in order.

    Raises:
        ValueError: ``count`` is more than ids can number.
    """
    if count > EVENT_IDS_PER_BATCH:
        raise ValueError(f"{count:,} events in a batch, whose ids number {EVENT_IDS_PER_BATCH:,}")
    stem = EVENT_PREFIX + batch_id[:-2]
    return [stem + tail for tail in _TAILS[:count]]


def batch_of(event_id: str) -> tuple[str, int] | None:
    """Return (batch id, place in the batch) of an event id, or None if it is not one."""
    ulid = event_id.removeprefix(EVENT_PREFIX)
    if ulid == event_id or _ULID.fullmatch(ulid) is None:
        return None
    return ulid[:-2] + "00", _PLACE[ulid[-2:]]
