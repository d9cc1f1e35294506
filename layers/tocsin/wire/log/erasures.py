"""What a log says of persons that were forgotten: whose key was destroyed, by whom and when.

Of an event under such a key everybody has the ciphertext, and its hashes hold; nobody reads it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from tocsin.domain.subjects import ERASED
from tocsin.wire.protection import is_protected, key_of

__all__ = ["Erasures"]

MOST_KEYS: Final = 10_000
"""Of so many persons it is counted how much of them there is."""

MOST_TOLD: Final = 100
_SIGN: Final = b'"type":"%b"' % ERASED.encode()
_EVENT: Final = b'"event":'


class Erasures:
    """Takes the lines of a log, each checked; costs two searches of one that says nothing of it."""

    def __init__(self) -> None:
        self._counts = Counter[str]()
        self._told = list[tuple[int, Mapping[str, Any]]]()
        self._more = 0

    def take(self, seq: int, line: bytes) -> None:
        """Take a line."""
        erasure = _SIGN in line
        if not erasure and not is_protected(line):
            return
        try:
            event = orjson.loads(line[line.index(_EVENT) + len(_EVENT) : -1])
        except ValueError:
            return  # what nobody reads is not told of
        held = key_of(event)
        if held is not None and (held[1] in self._counts or len(self._counts) < MOST_KEYS):
            self._counts[held[1]] += 1
        if erasure and event.get("type") == ERASED and event.get("source") == "tocsin":
            if len(self._told) < MOST_TOLD:
                self._told.append((seq, event))
            else:
                self._more += 1

    def notes(self, covered: int) -> Iterator[str]:
        """Yield a sentence for each whose key was destroyed, as far as seqs are ``covered``."""
        for seq, event in self._told:
            if seq > covered:
                return
            data = event["data"] if isinstance(event.get("data"), Mapping) else {}
            key = data.get("key")
            count = self._counts.get(key) if isinstance(key, str) else None
            what = f"what {count:,} events say" if count else "what events say"
            what = "what one event says" if count == 1 else what
            reason = f": {data['reason']}" if data.get("reason") else ""
            yield (
                f"{what} of the user {data.get('user_id')} was erased by {event.get('user_id')} at"
                f" {event.get('received_at')} (seq {seq}){reason}"
            )
        if self._more:
            yield f"and of {self._more:,} further users"
