"""The message on an org's channel: what was just sealed, or only where to read it.

One line of JSON, ``{"first": 7, "last": 9, "prev_hash": hex, "hash": hex}``, then the entries, each
after a line feed (canonical JSON holds no raw one). ``prev_hash`` is hash(first - 1) and ``hash``
is hash(last), so that a reader can tell that nothing was changed on the way. Beyond
the limit, and where an event holds ciphertext, there is only ``{"first": 7, "last": 9}``, and
subscribers read the ledger.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import orjson

from tocsin.domain import chain
from tocsin.domain.errors import TocsinError
from tocsin.domain.limits import MAX_CHANNEL_BYTES
from tocsin.domain.segment import SealedEvent
from tocsin.wire.protection import is_protected

__all__ = ["Garbled", "Message", "decode", "encode", "encode_range"]


class Garbled(TocsinError):
    """A channel message that can't be relied on: read the ledger instead."""


@dataclass(frozen=True, slots=True)
class Message:
    """Events ``first_seq`` to ``last_seq`` are sealed; ``events`` is empty or holds all of them."""

    first_seq: int
    last_seq: int
    events: Sequence[SealedEvent]


def encode(events: Sequence[SealedEvent]) -> bytes:
    """Return the message for consecutive sealed events of one org, at least one.

    Where one holds ciphertext it says only where they are, since who reads them opens them.
    """
    first, last = events[0], events[-1]
    entries = [event.hashed for event in events]
    too_large = sum(map(len, entries)) + len(entries) > MAX_CHANNEL_BYTES
    if too_large or any(map(is_protected, entries)):
        return encode_range(first.seq, last.seq)
    header = {
        "first": first.seq,
        "last": last.seq,
        "prev_hash": first.prev_hash.hex(),
        "hash": last.hash.hex(),
    }
    return b"\n".join([orjson.dumps(header), *entries])


def encode_range(first_seq: int, last_seq: int) -> bytes:
    """Return the message that says only that these seqs are sealed."""
    return orjson.dumps({"first": first_seq, "last": last_seq})


def decode(message: bytes) -> Message:
    """Return what a message says; its hashes are recomputed from its entries.

    Raises:
        Garbled: it is not a message, or its entries do not lead from ``prev_hash`` to ``hash``.
    """
    head, *entries = message.split(b"\n")
    try:
        header = orjson.loads(head)
        first, last = int(header["first"]), int(header["last"])
        if not 1 <= first <= last or len(entries) not in (0, last - first + 1):
            raise Garbled(f"{len(entries)} entries announced as {first} to {last}")
        if not entries:
            return Message(first, last, [])
        prev_hash, last_hash = (bytes.fromhex(header[name]) for name in ("prev_hash", "hash"))
    except (ValueError, TypeError, KeyError) as error:
        raise Garbled("its first line is not the header of a channel message") from error
    hashes = [prev_hash, *chain.extend(prev_hash, map(chain.leaf, entries))]
    if hashes[-1] != last_hash:
        raise Garbled(f"the entries {first} to {last} do not lead to their hash")
    events = [
        SealedEvent(seq, entry, before, after)
        for seq, (entry, (before, after)) in enumerate(
            zip(entries, pairwise(hashes), strict=True), first
        )
    ]
    return Message(first, last, events)
