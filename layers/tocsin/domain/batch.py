"""A batch: what one request delivered, and how the journal keeps it.

The entries of a batch are canonical JSON, which holds no raw line feed, so a batch is its entries
joined by line feeds and compressed with Zstandard (RFC 8878) against a dictionary of the text that
most events share. The first byte of the packed form names that dictionary, for ever.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from backports import zstd

from tocsin.domain import canonical, ids
from tocsin.domain.errors import Poison, TooLarge
from tocsin.domain.limits import (
    MAX_EVENTS_PER_BATCH,
    MAX_PACKED_BYTES,
    MAX_UNPACKED_BYTES,
    PACKED_SPREAD_BYTES,
)

__all__ = ["Batch", "StoredBatch", "UnreadableBatch", "check", "is_near_limit", "pack", "unpack"]

_ALWAYS = {"id", "type", "received_at", "session_id", "timestamp", "compliance_tag"}
_LEVEL = 3
# Raw-content dictionaries by the first byte of the packed form. Add one, never change one.
_DICTIONARIES = {
    1: b"".join(
        b'{"action":"%s",%s"compliance_tag":"default","id":"evt_01","metadata":{%s},%s'
        b'"received_at":"2026-01-01T00:00:00.000Z","session_id":"ses_%s","source":"client",'
        b'"timestamp":"2026-01-01T00:00:00.000Z",%s"type":"%s"}\n' % part
        for part in (
            (
                b"deny",
                b'"agent_id":"agt_","completion_tokens":0,',
                b'"tokens":0',
                b'"cost_usd":0.00,"direction":"response","model":"claude-","pii_detected":false,'
                b'"pii_types":[],"prompt_tokens":0,"provider":"anthropic",',
                b"",
                b'"total_tokens":0,',
                b"completion",
            ),
            (
                b"alert",
                b'"agent_id":"agent-","data":{"agentId":"","name":"","reason":""},',
                b"",
                b'"decision":{"action":"allow","evaluation_time_us":8,"matched_policies":["allow-"],'
                b'"message":"allowed"},"request":{"command":"git "},"run_id":"run_",',
                b"",
                b'"user_id":"user_",',
                b"agent.created",
            ),
            (
                b"log",
                b"",
                b'"latencyMs":0,"model":"gpt-4o","resultCount":0,"tokens":0,"userId":"user_"',
                b'"latency_ms":0,"model":"gpt-4o",',
                b"",
                b'"tool_name":"generate_report","user_id":"user_",',
                b"embedding",
            ),
            (
                b"allow",
                b"",
                b"",
                b'"latency_ms":12,',
                b"sess_",
                b'"server_id":"","source_id":"","tool_name":"search_",',
                b"tool_call",
            ),
        )
    ),
}
_CURRENT = max(_DICTIONARIES)


@dataclass(frozen=True, slots=True)
class Batch:
    """One accepted request. ``entries`` are the canonical bytes of its events, in order."""

    org: str
    id: str
    entries: tuple[bytes, ...]
    key_id: str
    received_at_ms: int

    @property
    def count(self) -> int:
        """How many events it holds (1 to 1,000)."""
        return len(self.entries)


@dataclass(frozen=True, slots=True)
class UnreadableBatch:
    """A journal item that can't be unpacked, and why."""

    org: str
    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A batch as it is stored: small, and unpacked when it is needed."""

    org: str
    id: str
    unpack: Callable[[], Batch | UnreadableBatch]


@cache
def _dictionary(number: int) -> zstd.ZstdDict:
    return zstd.ZstdDict(_DICTIONARIES[number], is_raw=True)


def pack(entries: Sequence[bytes], *, spread: bool = False) -> bytes:
    """Compress a batch's entries into what one journal item holds.

    With ``spread`` the result may be larger by :data:`.limits.PACKED_SPREAD_BYTES`.

    Raises:
        TooLarge: the result is larger than :data:`.limits.MAX_PACKED_BYTES`, or the entries are
            larger than what :func:`unpack` takes.
    """
    size_bytes = sum(map(len, entries)) + len(entries) - 1
    if size_bytes > MAX_UNPACKED_BYTES:
        raise TooLarge(
            f"the request is {size_bytes:,} bytes as canonical JSON (1e20 has 21 digits there) and "
            f"the limit is {MAX_UNPACKED_BYTES:,}: send fewer events at once"
        )
    packed = bytes([_CURRENT]) + zstd.compress(
        b"\n".join(entries), _LEVEL, zstd_dict=_dictionary(_CURRENT)
    )
    if len(packed) > MAX_PACKED_BYTES + (PACKED_SPREAD_BYTES if spread else 0):
        raise TooLarge(
            f"the request is {len(packed):,} bytes when compressed and the limit is "
            f"{MAX_PACKED_BYTES:,}: send fewer events at once"
        )
    return packed


def is_near_limit(packed: bytes) -> bool:
    """Whether the same entries under another id could pack beyond the limit, or within it."""
    return abs(len(packed) - MAX_PACKED_BYTES) <= PACKED_SPREAD_BYTES


def unpack(packed: bytes, count: int) -> tuple[bytes, ...]:
    """Return the ``count`` entries of a packed batch.

    Raises:
        Poison: it is not what :func:`pack` made of ``count`` entries.
    """
    try:
        stream = zstd.ZstdDecompressor(zstd_dict=_dictionary(packed[0]))
        text = stream.decompress(packed[1:], max_length=MAX_UNPACKED_BYTES)
    except (IndexError, KeyError) as error:
        raise Poison("packed with an unknown dictionary") from error
    except zstd.ZstdError as error:
        raise Poison(f"not a Zstandard frame: {error}") from error
    if not stream.eof or stream.unused_data:
        raise Poison("the Zstandard frame is truncated, too long, or followed by other bytes")
    entries = tuple(text.split(b"\n"))
    if len(entries) != count or not 1 <= count <= MAX_EVENTS_PER_BATCH:
        raise Poison(f"holds {len(entries)} entries where {count} are announced")
    return entries


def check(batch: Batch) -> None:
    """Make sure that a batch read from a store is one that ingestion wrote.

    Raises:
        Poison: an entry is not a JSON object with the id of its place.
    """
    for entry, event_id in zip(batch.entries, ids.event_ids(batch.id, batch.count), strict=True):
        try:
            event = canonical.parse(entry)
            complete = event["id"] == event_id and event.keys() >= _ALWAYS
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Poison(f"the entry of {event_id} is not an event: {error}") from error
        if not complete:
            raise Poison(f"the entry of {event_id} has another id, or lacks a compliance field")
