"""Summaries: what a stretch of the ledger may hold, so that a search can skip what can't match.

A summary has a column for each field that a filter can ask for, and for the pairs of an action with
another field that such searches are about. A column is the values' fingerprints, 3 bytes each in
ascending order; one of some million other values has the same, so a summary tells for certain only
what is *not* there. A column with too many values is left out, and then anything may be there.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from tocsin.domain import canonical
from tocsin.domain.limits import MAX_SUMMARY_BYTES
from tocsin.domain.segment import SealedEvent
from tocsin.domain.times import time_ms
from tocsin.wire.filters import Facts, Filter

__all__ = ["VERSION", "Bounds", "Gathered", "Summary", "Wanted", "at_ms", "decode", "encode"]

VERSION: Final = 2
"""Of columns and bytes. Summaries of another version are ignored, and made anew."""

_PAIRED: Final = tuple(
    name
    for name in Facts._fields
    if name not in ("action", "session_id", "trace_id", "call_id")  # few events with any action
)
_COLUMNS: Final = (*Facts._fields, *(f"action+{name}" for name in _PAIRED))
_FINGERPRINT_BYTES: Final = 3
_HEAD: Final = struct.Struct(">B32s32sqqq")
_COUNT: Final = struct.Struct(">H")
_LEFT_OUT: Final = 0xFFFF
_CHECKSUM_BYTES: Final = 16
_EARLIEST_MS, _LATEST_MS = -(2**63), 2**63 - 1

type Columns = tuple[bytes | None, ...]
"""The fingerprints of each column, together; None where it is left out."""


class Bounds(NamedTuple):
    """Where a stretch lies: the ledger's hashes before and after it, and when its end was sealed.

    The hash after it is that of this very ledger alone.
    """

    hash_before: bytes
    hash_after: bytes
    sealed_at_ms: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What a stretch may hold, and the first and the last timestamp in it (Unix times)."""

    bounds: Bounds
    first_ms: int
    last_ms: int
    columns: Columns

    @classmethod
    def of_anything(cls, bounds: Bounds) -> "Summary":
        """Return the summary of a stretch that may hold anything."""
        return cls(bounds, _EARLIEST_MS, _LATEST_MS, (None,) * len(_COLUMNS))

    @classmethod
    def of_all(cls, parts: Sequence["Summary"]) -> "Summary":
        """Return the summary of adjacent stretches together, from theirs in the order of seqs."""
        columns = [
            None if None in column else b"".join(sorted(set().union(*map(_split, column))))
            for column in zip(*(each.columns for each in parts), strict=True)
        ]
        return cls(
            Bounds(parts[0].bounds.hash_before, *parts[-1].bounds[1:]),
            min(each.first_ms for each in parts),
            max(each.last_ms for each in parts),
            _fitting(columns),
        )

    def covers(self, part: "Summary") -> bool:
        """Whether no search skips this stretch that would not skip a part of it, too."""
        return (
            self.bounds.sealed_at_ms >= part.bounds.sealed_at_ms
            and self.first_ms <= part.first_ms
            and self.last_ms >= part.last_ms
            and all(
                mine is None or (of_part is not None and {*_split(of_part)} <= {*_split(mine)})
                for mine, of_part in zip(self.columns, part.columns, strict=True)
            )
        )


class Gathered:
    """What the events of a stretch hold, as far as they were added."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._values: dict[str, set[str]] = {column: set() for column in _COLUMNS}
        self._first_ms, self._last_ms = _LATEST_MS, _EARLIEST_MS

    def add(self, event: SealedEvent) -> None:
        """Add an event."""
        fields = canonical.parse(event.entry)
        said = Facts.among(fields)._asdict().items()
        facts = {name: value for name, value in said if isinstance(value, str)}
        for name, value in facts.items():
            self._values[name].add(value)
        if "action" in facts:
            for name in _PAIRED:
                if name in facts:
                    self._values[f"action+{name}"].add(_pair(facts["action"], facts[name]))
        moment_ms = at_ms(fields)
        self._first_ms = min(self._first_ms, moment_ms)
        self._last_ms = max(self._last_ms, moment_ms)

    def summary(self, bounds: Bounds) -> Summary:
        """Return the summary of a stretch of which every event was added."""
        columns = [
            b"".join(sorted({_fingerprint(column, value) for value in values}))
            for column, values in self._values.items()
        ]
        return Summary(bounds, self._first_ms, self._last_ms, _fitting(columns))


class Wanted:
    """What a search is for: events that a filter lets through, of a time if one is given.

    They have a timestamp from ``from_ms`` on and before ``to_ms`` (Unix times).
    """

    def __init__(
        self, filter: Filter, from_ms: int | None = None, to_ms: int | None = None
    ) -> None:
        """Prepare the fingerprints to look for."""
        self._filter, self._from_ms, self._to_ms = filter, from_ms, to_ms
        asked: dict[str, tuple[str, ...]] = {
            name: (value,)
            for name in Facts._fields[1:]
            if (value := getattr(filter, name)) is not None
        }
        if filter.types is not None:
            asked["type"] = tuple(filter.types)
        if filter.action is not None:
            asked |= {
                f"action+{name}": tuple(_pair(filter.action, each) for each in values)
                for name in _PAIRED
                if (values := asked.get(name)) is not None
            }
        self._asked = [
            (_COLUMNS.index(column), [_fingerprint(column, each) for each in values])
            for column, values in asked.items()
        ]

    def lets(self, event: SealedEvent) -> bool:
        """Whether an event is wanted."""
        if not self._filter.matches(event):
            return False
        if self._from_ms is None and self._to_ms is None:
            return True
        moment_ms = at_ms(canonical.parse(event.entry))
        return (self._from_ms is None or moment_ms >= self._from_ms) and (
            self._to_ms is None or moment_ms < self._to_ms
        )

    def may_be_in(self, summary: Summary) -> bool:
        """Whether a stretch with this summary can hold an event that is wanted."""
        if self._from_ms is not None and summary.last_ms < self._from_ms:
            return False
        if self._to_ms is not None and summary.first_ms >= self._to_ms:
            return False
        return all(
            (column := summary.columns[place]) is None or any(_holds(column, each) for each in of)
            for place, of in self._asked
        )


def at_ms(fields: Mapping[str, Any]) -> int:
    """Return the Unix time that its sender gave an event, in milliseconds; 0 if that is none."""
    timestamp = fields.get("timestamp")
    return (time_ms(timestamp) if isinstance(timestamp, str) else None) or 0


def encode(summary: Summary, org: str, level: int, number: int) -> bytes:
    """Return a summary's bytes, which hold for this stretch of this org alone."""
    parts = [_HEAD.pack(VERSION, *summary.bounds, summary.first_ms, summary.last_ms)]
    for column in summary.columns:
        if column is None:
            parts.append(_COUNT.pack(_LEFT_OUT))
        else:
            parts += (_COUNT.pack(len(column) // _FINGERPRINT_BYTES), column)
    body = b"".join(parts)
    return body + _checksum(body, org, level, number)


def decode(data: bytes, org: str, level: int, number: int) -> Summary | None:
    """Return the summary that bytes are of; None: they are not whole, or of something else."""
    body = data[:-_CHECKSUM_BYTES]
    if data[-_CHECKSUM_BYTES:] != _checksum(body, org, level, number) or body[:1] != _VERSION:
        return None
    try:
        _, before, after, sealed_at_ms, first_ms, last_ms = _HEAD.unpack_from(body)
        place, columns = _HEAD.size, list[bytes | None]()
        for _ in _COLUMNS:
            (count,) = _COUNT.unpack_from(body, place)
            place += _COUNT.size
            if count == _LEFT_OUT:
                columns.append(None)
            else:
                columns.append(body[place : place + count * _FINGERPRINT_BYTES])
                place += count * _FINGERPRINT_BYTES
    except struct.error:  # whoever can write the table can make a checksum
        return None
    return Summary(Bounds(before, after, sealed_at_ms), first_ms, last_ms, tuple(columns))


_VERSION: Final = bytes([VERSION])


def _checksum(body: bytes, org: str, level: int, number: int) -> bytes:
    return blake2b(f"{org}/{level}/{number}/".encode() + body, digest_size=_CHECKSUM_BYTES).digest()


def _pair(action: str, value: str) -> str:
    return f"{action}\0{value}"


def _fingerprint(column: str, value: str) -> bytes:
    text = f"{column}\0{value}".encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=_FINGERPRINT_BYTES).digest()


def _split(column: bytes | None) -> Iterable[bytes]:
    column = column or b""
    return (
        column[place : place + _FINGERPRINT_BYTES]
        for place in range(0, len(column), _FINGERPRINT_BYTES)
    )


def _holds(column: bytes, fingerprint: bytes) -> bool:
    place = column.find(fingerprint)
    while place >= 0 and place % _FINGERPRINT_BYTES:
        place = column.find(fingerprint, place + 1)
    return place >= 0


def _fitting(columns: Sequence[bytes | None]) -> Columns:
    """Leave out the columns with the most values until the others fit a summary."""
    kept = list(columns)
    fixed_bytes = _HEAD.size + len(_COLUMNS) * _COUNT.size + _CHECKSUM_BYTES
    while fixed_bytes + sum(len(each or b"") for each in kept) > MAX_SUMMARY_BYTES:
        kept[max(range(len(kept)), key=lambda place: len(kept[place] or b""))] = None
    return tuple(kept)
