"""Policies: whom a reader trusts, as a file. See https://c2sp.org/tlog-policy.

::

    log tocsin/7c1f0a52d0e8b936/acme+33d7b496+AeHZ…
    witness Ann ann.example/w+fe3c…+BGx2…
    witness Bob bob.example/w+8a01…+BKq1… https://bob.example/witness
    group both all Ann Bob
    quorum both

A checkpoint satisfies it that one of the logs has signed, under its own name, and that the quorum
has cosigned. The simplest policy is a verifier key alone: that log, and no witnesses.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Self

from tocsin.wire.log.checkpoints import Checkpoint
from tocsin.wire.log.faults import BadFormat, NotTrusted
from tocsin.wire.log.keys import KeyType, Verifier
from tocsin.wire.log.notes import Note, Signed

__all__ = ["MAX_BYTES", "Group", "Log", "Policy", "Trusted", "Witness"]

MAX_BYTES: Final = 1_000_000
"""Of a policy; the specification asks for 32 logs, witnesses and groups at least."""

_ALLOWED: Final = re.compile(rb"[\t\n\x20-\x7e\x80-\xff]*")
_COUNT: Final = re.compile(rb"[0-9]{1,6}")
_WORDS: Final = (b"any", b"all")
_NONE: Final = b"none"
_COSIGNS: Final = frozenset({KeyType.ED25519_COSIGNATURE, KeyType.ML_DSA_44})


@dataclass(frozen=True, slots=True)
class Log:
    """A log whose checkpoints are taken; its key's name is the origin of them."""

    key: Verifier
    url: bytes | None = None


@dataclass(frozen=True, slots=True)
class Witness:
    """Who may cosign. Names have any bytes, and a meaning in their policy alone."""

    name: bytes
    key: Verifier
    url: bytes | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """It has witnessed what ``least`` of its members have, which are witnesses or other groups."""

    name: bytes
    least: int
    members: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Trusted:
    """A checkpoint that satisfies a policy, and the signatures of its logs and witnesses."""

    checkpoint: Checkpoint
    logs: tuple[Signed, ...]
    cosigned: tuple[tuple[Witness, Signed], ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """Whom a reader trusts. ``quorum`` is a witness' or a group's name, or None: no cosignatures.

    Groups stand after their members, as they do in the file.
    """

    logs: tuple[Log, ...]
    witnesses: tuple[Witness, ...] = ()
    groups: tuple[Group, ...] = ()
    quorum: bytes | None = None

    @classmethod
    def read(cls, text: bytes) -> Self:
        """Return the policy of a file, or of a verifier key alone.

        Raises:
            BadFormat: it is none; the message names the line.
        """
        if len(text) > MAX_BYTES:
            raise BadFormat(f"a policy has at most {MAX_BYTES:,} bytes")
        if not _ALLOWED.fullmatch(text):
            raise BadFormat("a policy has no control characters but tabs and ends of lines")
        reading = _Reading()
        lines = [(place, line.split()) for place, line in enumerate(text.split(b"\n"), start=1)]
        lines = [(place, words) for place, words in lines if words and words[0][:1] != b"#"]
        if len(lines) == 1 and len(lines[0][1]) == 1 and b"+" in lines[0][1][0]:
            return cls((Log(_key(lines[0][1][0])),))
        for place, words in lines:
            try:
                reading.take(*words)
            except BadFormat as error:
                raise BadFormat(f"line {place} of the policy: {error}") from error
        if reading.quorum is None:
            raise BadFormat("a policy has a line that says its quorum, or `quorum none`")
        quorum = None if reading.quorum == _NONE else reading.quorum
        return cls(tuple(reading.logs), tuple(reading.witnesses), tuple(reading.groups), quorum)

    def check(self, note: bytes) -> Trusted:
        """Return the checkpoint of a signed note that satisfies the policy.

        Raises:
            BadFormat: it is no note, or no checkpoint.
            BadSignature: a signature says that it is a log's or a witness', and is not.
            NotTrusted: none of the logs has signed it, or not the quorum.
        """
        read = Note.read(note)
        checkpoint = Checkpoint.read(read.text)
        keys = [*(log.key for log in self.logs), *(witness.key for witness in self.witnesses)]
        verified = read.verified(keys)
        logs = {log.key for log in self.logs if log.key.name == checkpoint.origin}
        by_logs = tuple(signed for signed in verified if signed.key in logs)
        if not by_logs:
            raise NotTrusted(
                f"no log that you trust has signed this as {checkpoint.origin}{_unread(keys)}"
            )
        by_key = {witness.key: witness for witness in self.witnesses}
        cosigned = tuple(
            (by_key[signed.key], signed) for signed in verified if signed.key in by_key
        )
        names = {witness.name for witness, _ in cosigned}
        if not self._has_quorum(names):
            raise NotTrusted(
                f"{len(names)} of {len(self.witnesses)} witnesses that you trust have cosigned"
                f" this, which is not the quorum that you ask for{_unread(keys)}"
            )
        return Trusted(checkpoint, by_logs, cosigned)

    def _has_quorum(self, names: set[bytes]) -> bool:
        """Whether what these witnesses have cosigned is witnessed."""
        witnessed = {*names}
        for group in self.groups:  # each after its members
            if sum(member in witnessed for member in group.members) >= group.least:
                witnessed.add(group.name)
        return self.quorum is None or self.quorum in witnessed


@dataclass(slots=True)
class _Reading:
    """What a policy's lines have said so far."""

    logs: list[Log] = field(default_factory=list)
    witnesses: list[Witness] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    quorum: bytes | None = None
    log_keys: set[bytes] = field(default_factory=set)
    witness_keys: set[bytes] = field(default_factory=set)
    names: set[bytes] = field(default_factory=set)
    members: set[bytes] = field(default_factory=set)

    def take(self, keyword: bytes, *words: bytes) -> None:
        """Take in a line.

        Raises:
            BadFormat: it is none of a policy, or none that can stand here.
        """
        match keyword, words:
            case b"log", (key,) | (key, _):
                log = Log(_key(key), *words[1:])
                _once(log.key, self.log_keys)
                self.logs.append(log)
            case b"witness", (name, key) | (name, key, _):
                witness = Witness(name, _key(key), *words[2:])
                if witness.key.type not in _COSIGNS:
                    raise BadFormat("this key makes no cosignatures: it is of a log")
                _once(witness.key, self.witness_keys)
                self._define(name)
                self.witnesses.append(witness)
            case b"group", (name, least, _, *_):
                self._group(name, least, words[2:])
            case b"quorum", (name,):
                if self.quorum is not None:
                    raise BadFormat("a policy has one quorum")
                if name != _NONE and name not in self.names:
                    raise BadFormat("the quorum is a witness or a group of a line before")
                self.quorum = name
            case _:
                raise BadFormat(
                    "a line is `log <key> [<url>]`, `witness <name> <key> [<url>]`,"
                    " `group <name> all|any|<number> <member>...` or `quorum <name>`"
                )

    def _group(self, name: bytes, least: bytes, members: tuple[bytes, ...]) -> None:
        for member in members:
            if member not in self.names:
                raise BadFormat("the members of a group are witnesses or groups of lines before")
            if member in self.members:
                raise BadFormat("a witness or a group is a member once, of one group")
            self.members.add(member)
        if least in _WORDS:
            count = 1 if least == b"any" else len(members)
        else:
            count = int(least) if _COUNT.fullmatch(least) else 0
        if not 1 <= count <= len(members):
            raise BadFormat(f"of a group's {len(members)} members, 1 to all can be asked for")
        self._define(name)
        self.groups.append(Group(name, count, members))

    def _define(self, name: bytes) -> None:
        if name == _NONE or name in self.names:
            raise BadFormat("a witness or a group has a name of its own, which is not `none`")
        self.names.add(name)


def _key(text: bytes) -> Verifier:
    try:
        return Verifier.read(text.decode())
    except UnicodeDecodeError as error:
        raise BadFormat("a key's name is UTF-8") from error


def _once(key: Verifier, seen: set[bytes]) -> None:
    """Refuse a public key that was seen, whatever its name: it would count twice."""
    if key.public in seen:
        raise BadFormat("this public key is in the policy already")
    seen.add(key.public)


def _unread(keys: Iterable[Verifier]) -> str:
    """Say it if some of the keys can't be verified with."""
    count = sum(not key.can_verify for key in keys)
    return f" ({count} keys are of a type that is not known here)" if count else ""
