"""Keys that notes are verified with, and what each kind of them signs.

A verifier key is a text, ``name+id+base64(type ‖ public key)``, that readers are given in a way
that they trust: https://c2sp.org/signed-note#verifier-keys. The id is 4 bytes, the beginning of
SHA-256(name ‖ 0x0A ‖ type ‖ public key). What the types beyond the plain signature sign is in
https://c2sp.org/tlog-cosignature.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import Final, Self

from tocsin.wire.log.checkpoints import Checkpoint
from tocsin.wire.log.faults import BadFormat
from tocsin.wire.log.texts import MAX_NUMBER, from_base64, to_base64, utf8

__all__ = ["ID_BYTES", "KeyType", "Verifier", "is_name", "types_of"]

ID_BYTES: Final = 4
_TIME_BYTES: Final = 8
_MAX_OPAQUE_BYTES: Final = 255
_ML_DSA_LABEL: Final = b"subtree/v1\n\0"
_KEY: Final = re.compile(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)", re.ASCII)


class KeyType(IntEnum):
    """How a key signs. All others are unknown here, as ECDSA (0x02) is."""

    ED25519 = 0x01
    """The note's text."""
    ED25519_COSIGNATURE = 0x04
    """A time, and the text of a checkpoint."""
    ML_DSA_44 = 0x06
    """A time, and a checkpoint's origin, size and root; its extensions are not signed."""


_PUBLIC_BYTES: Final = {
    KeyType.ED25519: 32,
    KeyType.ED25519_COSIGNATURE: 32,
    KeyType.ML_DSA_44: 1_312,
}
_SIGNATURE_BYTES: Final = {
    KeyType.ED25519: 64,
    KeyType.ED25519_COSIGNATURE: 64,
    KeyType.ML_DSA_44: 2_420,
}


@dataclass(frozen=True, slots=True)
class Verifier:
    """A key by its public half: 32 bytes (RFC 8032), or 1,312 of ML-DSA-44 (FIPS 204).

    Raises:
        BadFormat: no key has this name, or this size.
    """

    name: str
    type: KeyType
    public: bytes

    def __post_init__(self) -> None:
        """Refuse what could not be read again."""
        if not is_name(self.name):
            raise BadFormat("a key's name is a text without spaces and plus signs")
        if self.type is KeyType.ML_DSA_44:
            _opaque(self.name)
        if len(self.public) != _PUBLIC_BYTES[self.type]:
            raise BadFormat(
                f"a key of type 0x{self.type:02x} has {_PUBLIC_BYTES[self.type]} bytes"
                f" and not {len(self.public)}"
            )

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the key that a text stands for.

        Raises:
            BadFormat: it is none, its id is another key's, or nobody here knows its type.
        """
        if not (parts := _KEY.fullmatch(text)):
            raise BadFormat("a verifier key is its name, its id and its base64, with + between")
        name, id, encoded = parts.groups()
        typed = from_base64(encoded, "a verifier key")
        if typed[0] not in _PUBLIC_BYTES:
            raise BadFormat(f"a verifier key of the unknown type 0x{typed[0]:02x}")
        key = cls(name, KeyType(typed[0]), typed[1:])
        if key.id.hex() != id:
            raise BadFormat(
                f"the id of this verifier key would be {key.id.hex()}: it is cut or changed"
            )
        return key

    def __str__(self) -> str:
        """Return the text that :meth:`read` reads."""
        return f"{self.name}+{self.id.hex()}+{to_base64(bytes([self.type]) + self.public)}"

    @property
    def id(self) -> bytes:
        """Its id, 4 bytes: it tells keys of a name apart, and proves nothing."""
        signed = self.name.encode() + b"\n" + bytes([self.type]) + self.public
        return sha256(signed).digest()[:ID_BYTES]

    @property
    def signs_each(self) -> bool:
        """Whether a log signs each checkpoint with it, and not only once a day."""
        return self.type is not KeyType.ED25519_COSIGNATURE

    @property
    def is_timed(self) -> bool:
        """Whether its signatures say when they were made."""
        return self.type is not KeyType.ED25519

    @property
    def can_verify(self) -> bool:
        """Whether the cryptography that is installed knows its type."""
        return self.type is not KeyType.ML_DSA_44 or _has_ml_dsa()

    def message(self, text: str, at_s: int) -> bytes:
        """Return the bytes that the key signs for a note's text, at a Unix time in seconds.

        Raises:
            BadFormat: it signs checkpoints, and this is none that it can sign.
        """
        if not self.is_timed:
            return text.encode()
        checkpoint = Checkpoint.read(text)
        if not 0 <= at_s <= MAX_NUMBER:
            raise BadFormat("a cosignature's time is from 0 to 2^63 - 1")
        if self.type is KeyType.ED25519_COSIGNATURE:
            return f"cosignature/v1\ntime {at_s}\n{text}".encode()
        return b"".join(
            (
                _ML_DSA_LABEL,
                _opaque(self.name),
                at_s.to_bytes(_TIME_BYTES),
                _opaque(checkpoint.origin),
                (0).to_bytes(8),
                checkpoint.size.to_bytes(8),
                checkpoint.root,
            )
        )

    def signature(self, signed: bytes, at_s: int) -> bytes:
        """Return what a note has as the signature, from what the key made of :meth:`message`."""
        return at_s.to_bytes(_TIME_BYTES) + signed if self.is_timed else signed

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether the key has signed a note's text (UTF-8), with a signature as a note has it.

        No where the type :attr:`can't be verified <can_verify>`.
        """
        if not self.can_verify:
            return False
        at_s = self.time_of(signature) or 0
        signed = signature[_TIME_BYTES:] if self.is_timed else signature
        if len(signed) != _SIGNATURE_BYTES[self.type]:
            return False
        try:
            return self._has_signed(self.message(message.decode(), at_s), signed)
        except (UnicodeDecodeError, BadFormat):
            return False

    def time_of(self, signature: bytes) -> int | None:
        """Return when a signature says that it was made, a Unix time in seconds, if it does.

        A log may leave it at 0 where it says nothing of what is the largest tree.
        """
        return int.from_bytes(signature[:_TIME_BYTES]) if self.is_timed else None

    def _has_signed(self, message: bytes, signed: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature

        try:
            _check(self.type, self.public)(signed, message)
        except InvalidSignature:
            return False
        return True


def types_of(public: bytes) -> Sequence[KeyType]:
    """Return in which ways a log signs with a key, by its public half: for each checkpoint first.

    A log may sign its own checkpoints as a cosigner does; of ML-DSA-44 there is no other way.

    Raises:
        BadFormat: no log signs with such a key.
    """
    types = [type for type, count in _PUBLIC_BYTES.items() if count == len(public)]
    if not types:
        raise BadFormat(f"no log signs with a key of {len(public)} bytes")
    return types


def is_name(text: str) -> bool:
    """Whether a key can have this name: not empty, without spaces of Unicode and plus signs."""
    controls = any(each < " " for each in text)
    spaced = "+" in text or any(map(str.isspace, text))
    return bool(text) and not controls and not spaced and utf8(text) is not None


def _check(type: KeyType, public: bytes) -> Callable[[bytes, bytes], None]:
    """Return what checks a signature, given with what was signed."""
    if type is KeyType.ML_DSA_44:
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

        return MLDSA44PublicKey.from_public_bytes(public).verify
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(public).verify


def _has_ml_dsa() -> bool:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        _check(KeyType.ML_DSA_44, bytes(_PUBLIC_BYTES[KeyType.ML_DSA_44]))
    except (ImportError, UnsupportedAlgorithm):
        return False
    return True


def _opaque(text: str) -> bytes:
    """Return a text as TLS writes one of at most 255 bytes (RFC 8446, section 3.4)."""
    data = text.encode()
    if len(data) > _MAX_OPAQUE_BYTES:
        raise BadFormat(f"ML-DSA-44 signs names and origins of at most {_MAX_OPAQUE_BYTES} bytes")
    return bytes([len(data)]) + data
