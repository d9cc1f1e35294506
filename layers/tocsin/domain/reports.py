"""Several reports of one call: a hook, an exporter and a relay may each tell of the same.

Reports belong together by the id that the call has with its framework or its model's vendor, for
ten minutes from the first one. Each is an event; the call counts once, with the first, and what
later ones add to it counts when they come. The rule follows from the events in the order of their
seqs alone, so whoever goes on from what was kept decides the same.
"""

import struct
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from enum import IntFlag
from hashlib import sha256
from typing import Any, Final

import orjson

from tocsin.domain.times import time_ms

__all__ = ["CALL_MS", "Reports", "Told", "call_id", "call_key"]

CALL_MS: Final = 600_000
"""For so long reports of a call belong together."""

_MOST_EVENTS: Final = 100_000  # between the first report and the last
_UNIQUE_CHARS: Final = 16  # a shorter id may be another session's, too
_ROW: Final = struct.Struct("<8sQQB")
_TIME: Final = struct.Struct("<Q")
_MOST_BYTES: Final = 1 << 20  # of what is kept of one run


class Told(IntFlag):
    """What was told of a call: figures, arguments, and how it ended. 0: only that it was made."""

    TOKENS = 1
    COST = 2
    LATENCY = 4
    FAILED = 8
    DENIED = 16
    ASKED = 32
    ENDED = 64
    ARGUED = 128


def call_id(event: Mapping[str, Any]) -> str | None:
    """Return the id that the call has which an event reports; None: it has none.

    A tool call has ``tool_call_id``, a model's the id of its response (``metadata.response_id``).
    """
    id = event.get("tool_call_id")
    if id is None and isinstance(metadata := event.get("metadata"), Mapping):
        id = metadata.get("response_id")
    return id if isinstance(id, str) and id else None


def call_key(event: Mapping[str, Any]) -> bytes:
    """Return 8 bytes for the call that an event reports; empty: nothing says which it is.

    Ids of fewer than 16 characters, as in ``call 1``, are their agent's and session's own.
    """
    kind, id = "tool", event.get("tool_call_id")
    if id is None:
        kind, id = "model", call_id(event)
        if id is None:
            return b""
    own = len(id) < _UNIQUE_CHARS
    scope = (event.get("agent_id"), event.get("session_id")) if own else None
    return sha256(orjson.dumps((kind, id, scope))).digest()[:8]


class Reports:
    """The calls that were told of in the last ten minutes, by the events' receipt.

    Time is the latest receipt among events that report a call: no clock that is set back moves it.
    """

    def __init__(self, most: int | None = None) -> None:
        """Begin; of more calls than ``most`` those are forgotten that were not told of lately."""
        self.at_ms = 0
        self._most = most
        self._calls: dict[bytes, tuple[int, int, Told]] = {}
        self._changed: dict[bytes, None] = {}

    def earlier(self, key: bytes, seq: int, event: Mapping[str, Any]) -> Told | None:
        """Go on to an event, and return what was told of its call before; None: nothing."""
        self.at_ms = max(self.at_ms, time_ms(event["received_at"]) or 0)
        found = self._calls.get(key)
        return found[2] if found and self._lasts(found, seq) else None

    def tell(self, key: bytes, seq: int, told: Told) -> None:
        """Keep what is told of the call of this event by now."""
        found = self._calls.pop(key, None)
        if found is None or not self._lasts(found, seq):
            found = self.at_ms, seq, told
        self._calls[key] = (*found[:2], told)
        self._changed[key] = None
        if self._most is not None and len(self._calls) > self._most:
            del self._calls[next(iter(self._calls))]

    def copy(self) -> "Reports":
        """Return the same calls, of which none was told since."""
        copy = Reports()
        copy.at_ms, copy._calls = self.at_ms, dict(self._calls)
        return copy

    def forget(self, seq: int) -> None:
        """Drop the calls to which no event after ``seq`` can belong."""
        self._calls = {
            key: found for key, found in self._calls.items() if self._lasts(found, seq + 1)
        }

    def changed(self) -> str:
        """Return what was told since this was last asked, as text; empty: nothing."""
        changed, self._changed = [key for key in self._changed if key in self._calls], {}
        return b64encode(self._packed(changed)).decode() if changed else ""

    def pack(self) -> bytes:
        """Return all that :meth:`load` has to know, as bytes."""
        return self._packed(reversed(self._calls))

    def _packed(self, keys: Iterable[bytes]) -> bytes:
        rows = (_ROW.pack(key, *self._calls[key]) for key in keys)
        return zlib.compress(_TIME.pack(self.at_ms) + b"".join(rows), 1)

    def load(self, data: str | bytes) -> bool:
        """Take what was written, the latest first; False: it is too old, as all before.

        Raises:
            ValueError: it is something else.
        """
        try:
            data = b64decode(data, validate=True) if isinstance(data, str) else data
            packed = zlib.decompressobj().decompress(data, _MOST_BYTES)
            (at_ms,) = _TIME.unpack_from(packed)
            rows = list(_ROW.iter_unpack(packed[_TIME.size :]))
        except (zlib.error, struct.error) as error:
            raise ValueError("no reports of calls") from error
        self.at_ms = max(self.at_ms, at_ms)
        if self.at_ms - at_ms > CALL_MS:
            return False
        known = self._calls
        self._calls = {
            key: (first_ms, seq, Told(told)) for key, first_ms, seq, told in reversed(rows)
        }
        self._calls |= known
        return True

    def _lasts(self, found: tuple[int, int, Told], seq: int) -> bool:
        return self.at_ms - found[0] <= CALL_MS and seq - found[1] <= _MOST_EVENTS
