"""Keys that sign notes in tests: real ones, each of a seed."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from tocsin.wire.log.keys import KeyType, Verifier

__all__ = ["LogSigner", "log_signer"]


@dataclass(frozen=True)
class LogSigner:
    """:class:`tocsin.wire.log.notes.Signer` that holds its private key itself."""

    key: Verifier
    sign: Callable[[bytes], bytes]


def log_signer(name: str, type: KeyType = KeyType.ED25519, seed: bytes | None = None) -> LogSigner:
    """Return the signer of a name; another name is another key, unless the seed is the same."""
    seed = seed or sha256(name.encode()).digest()
    private: Ed25519PrivateKey | MLDSA44PrivateKey
    if type is KeyType.ML_DSA_44:
        private = MLDSA44PrivateKey.from_seed_bytes(seed)
    else:
        private = Ed25519PrivateKey.from_private_bytes(seed)
    return LogSigner(Verifier(name, type, private.public_key().public_bytes_raw()), private.sign)
