"""Signed notes: a text, an empty line, and a line for each signature.

::

    tocsin/7c1f0a52d0e8b936/acme
    20852163
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    — tocsin/7c1f0a52d0e8b936/acme Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5…

What a note says is worth nothing before somebody whom the reader trusts has signed it. See
https://c2sp.org/signed-note.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, Self

from tocsin.wire.log.faults import BadFormat, BadSignature, NotTrusted
from tocsin.wire.log.keys import ID_BYTES, Verifier, is_name
from tocsin.wire.log.texts import from_base64, to_base64, utf8

__all__ = [
    "MAX_BYTES",
    "MAX_SIGNATURES",
    "Note",
    "Signature",
    "Signed",
    "Signer",
    "opened",
    "signed",
]

MAX_BYTES: Final = 1_000_000
"""Of a note; as Go's reader has it."""

MAX_SIGNATURES: Final = 100
"""Of a note; as Go's reader has it. The specification asks for 16 at least."""

_DASH: Final = "— "
_CONTROLS: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")


class Signer(Protocol):
    """Whatever holds a private key."""

    @property
    def key(self) -> Verifier:
        """The key that verifies what this signs."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature of exactly these bytes: 64 of Ed25519, or 2,420 of ML-DSA-44."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A line of a note: who is said to have signed, and with what. ``key_id`` has 4 bytes.

    Raises:
        BadFormat: it could not be written.
    """

    name: str
    key_id: bytes
    value: bytes

    def __post_init__(self) -> None:
        """Refuse what could not be read again."""
        if not (is_name(self.name) and len(self.key_id) == ID_BYTES and self.value):
            raise BadFormat("a signature has a key's name without spaces, its id and some bytes")

    @classmethod
    def read(cls, line: str) -> Self:
        """Return the signature of a line, which is given without its end.

        Raises:
            BadFormat: it is none.
        """
        name, space, encoded = line.removeprefix(_DASH).partition(" ")
        if not (line.startswith(_DASH) and space):
            raise BadFormat(
                "a note's signature is an em dash, a name and a base64, with spaces between"
            )
        data = from_base64(encoded, "a note's signature")
        return cls(name, data[:ID_BYTES], data[ID_BYTES:])

    def __str__(self) -> str:
        """Return the line that :meth:`read` reads."""
        return f"{_DASH}{self.name} {to_base64(self.key_id + self.value)}"


class Signed(NamedTuple):
    """A signature that was verified."""

    key: Verifier
    signature: Signature

    @property
    def at_s(self) -> int | None:
        """When it was made, a Unix time in seconds, if it says so."""
        return self.key.time_of(self.signature.value)


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends with a line's end, and who is said to have signed it.

    Raises:
        BadFormat: it could not be written as a note.
    """

    text: str
    signatures: tuple[Signature, ...]

    def __post_init__(self) -> None:
        """Refuse what could not be read again."""
        if not self.text.endswith("\n"):
            raise BadFormat("a note's text ends with a line's end")
        if _CONTROLS.search(self.text) or utf8(self.text) is None:
            raise BadFormat("a note is UTF-8 without control characters")
        if not 1 <= len(self.signatures) <= MAX_SIGNATURES:
            raise BadFormat(f"a note has between one signature and {MAX_SIGNATURES}")
        if len(self.data) > MAX_BYTES:
            raise BadFormat(f"a note has at most {MAX_BYTES:,} bytes")

    @classmethod
    def read(cls, note: bytes) -> Self:
        """Return a note of its bytes; nothing of it is verified.

        Raises:
            BadFormat: it is none, or larger than :data:`MAX_BYTES`.
        """
        if len(note) > MAX_BYTES:
            raise BadFormat(f"a note has at most {MAX_BYTES:,} bytes")
        try:
            text, gap, lines = note.decode().rpartition("\n\n")
        except UnicodeDecodeError as error:
            raise BadFormat("a note is UTF-8 without control characters") from error
        if not gap or not lines.endswith("\n"):
            raise BadFormat(
                "a note is its text, an empty line, and signatures that end with a line's end"
            )
        return cls(f"{text}\n", read_signatures(lines))

    @property
    def data(self) -> bytes:
        """The bytes that :meth:`read` reads."""
        return f"{self.text}\n{write_signatures(self.signatures)}".encode()

    def adding(self, signatures: Iterable[Signature]) -> "Note":
        """Return the note with further signatures, each line once: a witness' cosignature, say.

        Raises:
            BadFormat: they are too many.
        """
        return Note(self.text, tuple(dict.fromkeys((*self.signatures, *signatures))))

    def verified(self, keys: Iterable[Verifier]) -> list[Signed]:
        """Return the signatures by these keys, all of them verified; others are ignored.

        A key that nobody here can verify with counts as unknown.

        Raises:
            BadSignature: one of them did not sign this, though its name and id say so.
            BadFormat: two of the keys can't be told apart.
        """
        known = dict[tuple[str, bytes], Verifier]()
        for key in keys:
            if known.setdefault((key.name, key.id), key) != key:
                raise BadFormat(f"two keys are {key.name}+{key.id.hex()}: trust one of them")
        text, found = self.text.encode(), list[Signed]()
        for signature in self.signatures:
            by = known.get((signature.name, signature.key_id))
            if by is None or not by.can_verify:
                continue
            if not by.verify(text, signature.value):
                raise BadSignature(f"this is not the signature of {by.name}+{by.id.hex()}")
            found.append(Signed(by, signature))
        return found


def opened(note: bytes, keys: Iterable[Verifier]) -> tuple[str, list[Signed]]:
    """Return a note's text, and the signatures of these keys that it has: one at least.

    Raises:
        BadFormat: it is no note, or two of the keys can't be told apart.
        BadSignature: a signature says that it is by one of the keys, and is not.
        NotTrusted: none is by any of them.
    """
    read = Note.read(note)
    if not (found := read.verified(keys)):
        raise NotTrusted("none of the keys that you trust has signed this")
    return read.text, found


def signed(text: str, signers: Sequence[Signer], at_s: int) -> Note:
    """Return a text as a note with the signatures of these, in their order.

    ``at_s`` is a Unix time in seconds, for those that say when they signed.

    Raises:
        BadFormat: it can be no note; or no checkpoint, and one of the signers signs only those.
    """
    if utf8(text) is None:
        raise BadFormat("a note is UTF-8 without control characters")
    signatures = []
    for signer in signers:
        key = signer.key
        value = key.signature(signer.sign(key.message(text, at_s)), at_s)
        signatures.append(Signature(key.name, key.id, value))
    return Note(text, tuple(signatures))


def read_signatures(lines: str) -> tuple[Signature, ...]:
    """Return the signatures of lines, each with its end: what a witness answers is some.

    Raises:
        BadFormat: they are none, or more than :data:`MAX_SIGNATURES`.
    """
    *each, rest = lines.split("\n", MAX_SIGNATURES)
    if rest or not each:
        raise BadFormat(f"signatures are up to {MAX_SIGNATURES} lines, each with its end")
    return tuple(map(Signature.read, each))


def write_signatures(signatures: Iterable[Signature]) -> str:
    """Return the lines that :func:`read_signatures` reads."""
    return "".join(f"{signature}\n" for signature in signatures)
