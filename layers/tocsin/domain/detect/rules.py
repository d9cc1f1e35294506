"""Rules with fixed thresholds, by agent: KavachOS', and what a loop and a wrong hour are.

Each keeps a few numbers and looks at one event at a time, by when it was received.
"""

import struct
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, ClassVar, Final

from tocsin.domain.detect.packing import Damaged, join, split

__all__ = ["Denials", "Hour", "Loops", "Note", "Tools"]

_HOUR_MS: Final = 60 * 60_000
_SHOWN: Final = 5  # seqs of an alert


@dataclass(slots=True)
class Note:
    """What is remembered of a subject beside its figures.

    ``names`` are its own; ``period`` is the last one in which it was counted, ``watched`` whether
    its silence is waited for, ``definition`` how its server described it, ``last_ms`` when its last
    event was received. ``is_new`` with its first event.
    """

    kind: str = ""
    name: str = ""
    of: str = ""
    period: int = 0
    watched: bool = False
    definition: str = ""
    last_ms: int = 0
    is_new: bool = True

    def pack(self) -> bytes:
        """Return it as bytes."""
        flags = bytes([self.watched])
        texts = (
            self.kind,
            self.name,
            self.of,
            str(self.period),
            self.definition,
            str(self.last_ms),
        )
        return join([flags, *(text.encode() for text in texts)])

    @classmethod
    def unpack(cls, data: bytes) -> "Note":
        """Return what :meth:`pack` wrote, or raise Damaged."""
        try:
            flags, kind, name, of, period, definition, last_ms = split(data)
            return cls(
                kind.decode(),
                name.decode(),
                of.decode(),
                int(period),
                bool(flags[0]),
                definition.decode(),
                int(last_ms),
                is_new=False,
            )
        except (ValueError, IndexError) as error:
            raise Damaged("a subject's note") from error


@dataclass(slots=True)
class Hour:
    """Calls in an hour: KavachOS' ``rapid_fire``."""

    MOST: ClassVar = 100

    hour: int = 0
    calls: int = 0
    first_seq: int = 0

    def see(self, at_ms: int, seq: int) -> int:
        """Count a call; return how many there are in its hour if that is above :attr:`MOST`."""
        hour = at_ms // _HOUR_MS
        if hour > self.hour:
            self.hour, self.calls, self.first_seq = hour, 0, seq
        if hour == self.hour:
            self.calls += 1
        return self.calls if self.calls > self.MOST else 0

    @property
    def since_ms(self) -> int:
        """When its hour began."""
        return self.hour * _HOUR_MS

    _PACKED = struct.Struct("<IIQ")

    def pack(self) -> bytes:
        """Return it as bytes."""
        hour, calls = min(self.hour, 2**32 - 1), min(self.calls, 2**32 - 1)
        return self._PACKED.pack(hour, calls, self.first_seq)

    @classmethod
    def unpack(cls, data: bytes) -> "Hour":
        """Return what :meth:`pack` wrote, or raise Damaged."""
        return cls(*_numbers(cls._PACKED, data))


@dataclass(slots=True)
class Denials:
    """Calls and denials of the last 24 hours, in eight parts of three hours.

    KavachOS' ``high_denial_rate``, and its ``privilege_escalation``: denials whose reason speaks of
    permissions, privilege or escalation.
    """

    SHARE: ClassVar = 0.2
    FEWEST_CALLS: ClassVar = 10
    FEWEST_OF_PRIVILEGE: ClassVar = 3
    WORDS: ClassVar = ("permission", "privilege", "escalat", "not authorized", "unauthorized")

    part: int = 0
    calls: list[int] = field(default_factory=lambda: [0] * 8)
    denied: list[int] = field(default_factory=lambda: [0] * 8)
    of_privilege: list[int] = field(default_factory=lambda: [0] * 8)
    seqs: list[int] = field(default_factory=list)  # of the last denials

    def see(self, at_ms: int, seq: int, *, denied: bool, reasons: str) -> None:
        """Count a call."""
        part = at_ms // (3 * _HOUR_MS)
        for counts in (self.calls, self.denied, self.of_privilege):
            for gone in range(max(self.part + 1, part - 7), part + 1):
                counts[gone % 8] = 0
        self.part = max(self.part, part)
        if part <= self.part - 8:
            return
        self.calls[part % 8] += 1
        if denied:
            self.denied[part % 8] += 1
            self.seqs = [*self.seqs, seq][-_SHOWN:]
            if any(word in reasons for word in self.WORDS):
                self.of_privilege[part % 8] += 1

    @property
    def share(self) -> float:
        """The share that was denied; 0 where that is not too much, or too few calls tell."""
        calls, denied = sum(self.calls), sum(self.denied)
        too_much = calls >= self.FEWEST_CALLS and denied > self.SHARE * calls
        return denied / calls if too_much else 0.0

    @property
    def escalations(self) -> int:
        """How many denials were of privilege; 0 where that may be an accident."""
        found = sum(self.of_privilege)
        return found if found >= self.FEWEST_OF_PRIVILEGE else 0

    @property
    def since_ms(self) -> int:
        """When the first of its parts began."""
        return max(self.part - 7, 0) * 3 * _HOUR_MS

    _PACKED = struct.Struct(f"<I24I{_SHOWN}Q")

    def pack(self) -> bytes:
        """Return it as bytes."""
        numbers = (self.part, *self.calls, *self.denied, *self.of_privilege)
        seqs = ([0] * _SHOWN + self.seqs)[-_SHOWN:]
        return self._PACKED.pack(*(min(number, 2**32 - 1) for number in numbers), *seqs)

    @classmethod
    def unpack(cls, data: bytes) -> "Denials":
        """Return what :meth:`pack` wrote, or raise Damaged."""
        part, *counts = _numbers(cls._PACKED, data)
        seqs = [seq for seq in counts[24:] if seq]
        return cls(part, counts[:8], counts[8:16], counts[16:24], seqs)


@dataclass(slots=True)
class Tools:
    """Which tools an agent has called: KavachOS' ``unusual_resource_access``.

    A Bloom filter (1970): it never finds a known tool unknown; beyond some 150 tools it takes ever
    more unknown ones for known.
    """

    FEWEST_CALLS: ClassVar = 50
    LEAST_MS: ClassVar = _HOUR_MS

    first_ms: int = 0
    calls: int = 0
    bits: int = 0

    def see(self, at_ms: int, tool: str, server: str) -> bool:
        """Count a call; return whether the tool is new to an agent that is known well enough."""
        self.first_ms = self.first_ms or at_ms
        digest = sha256(f"{server}\0{tool}".encode()).digest()
        mask = 0
        for place in range(4):
            mask |= 1 << (int.from_bytes(digest[2 * place : 2 * place + 2]) % 1024)
        new = self.bits & mask != mask
        known_well = self.calls >= self.FEWEST_CALLS and at_ms - self.first_ms >= self.LEAST_MS
        self.bits |= mask
        self.calls += 1
        return new and known_well

    _PACKED = struct.Struct("<qI128s")

    def pack(self) -> bytes:
        """Return it as bytes."""
        bits = self.bits.to_bytes(128)
        return self._PACKED.pack(self.first_ms, min(self.calls, 2**32 - 1), bits)

    @classmethod
    def unpack(cls, data: bytes) -> "Tools":
        """Return what :meth:`pack` wrote, or raise Damaged."""
        first_ms, calls, bits = _numbers(cls._PACKED, data)
        return cls(first_ms, calls, int.from_bytes(bits))


@dataclass(slots=True)
class _Loop:
    fingerprint: bytes
    calls: int
    first_ms: int
    first_seq: int


@dataclass(slots=True)
class Loops:
    """The same call again and again: an agent that can't get out of it.

    Four calls are followed at once, so that a loop of up to four steps is found. One ends where
    the call did not come for five minutes.
    """

    MOST: ClassVar = 10
    APART_MS: ClassVar = 5 * 60_000

    _last: list[tuple[int, _Loop]] = field(default_factory=list)

    def see(self, at_ms: int, seq: int, fingerprint: bytes) -> tuple[int, int, int] | None:
        """Count a call; return how often it was made, since when (ms, seq), if that is a loop."""
        self._last = [each for each in self._last if at_ms - each[0] <= self.APART_MS]
        place = next(
            (at for at, (_, loop) in enumerate(self._last) if loop.fingerprint == fingerprint), None
        )
        loop = _Loop(fingerprint, 0, at_ms, seq) if place is None else self._last.pop(place)[1]
        loop.calls += 1
        self._last = [*self._last, (at_ms, loop)][-4:]
        return (loop.calls, loop.first_ms, loop.first_seq) if loop.calls >= self.MOST else None

    _PACKED = struct.Struct("<q8sIqQ")

    def pack(self) -> bytes:
        """Return it as bytes."""
        return b"".join(
            self._PACKED.pack(
                at_ms,
                loop.fingerprint,
                min(loop.calls, 2**32 - 1),
                loop.first_ms,
                loop.first_seq,
            )
            for at_ms, loop in self._last
        )

    @classmethod
    def unpack(cls, data: bytes) -> "Loops":
        """Return what :meth:`pack` wrote, or raise Damaged."""
        if len(data) % cls._PACKED.size:
            raise Damaged("loops")
        return cls([(at_ms, _Loop(*rest)) for at_ms, *rest in cls._PACKED.iter_unpack(data)])


def _numbers(packed: struct.Struct, data: bytes) -> tuple[Any, ...]:
    try:
        return packed.unpack(data)
    except struct.error as error:
        raise Damaged("a rule's numbers") from error
