"""A signing key in a file, for a Tocsin on one machine."""

import os
from base64 import b64decode, b64encode
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from secrets import token_bytes
from typing import TYPE_CHECKING, Final, override

from tocsin.adapters.beside import beside
from tocsin.ports.evidence import Signer

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

__all__ = ["ML_DSA_44", "KeyFile"]

ML_DSA_44: Final = ".ml-dsa-44"
"""What the name of a file with such a key ends with."""

_SEED_BYTES: Final = 32


class KeyFile(Signer):
    """:class:`~tocsin.ports.evidence.Signer` on a file, which its owner alone can read.

    It holds the seed of RFC 8032, in base64, and is made where there is none; that of FIPS 204, if
    its name ends with :data:`ML_DSA_44`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @override
    @cached_property
    def public_key(self) -> bytes:
        return self._key.public_key().public_bytes_raw()

    @override
    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)

    @cached_property
    def _key(self) -> "Ed25519PrivateKey | MLDSA44PrivateKey":
        """The key.

        Raises:
            ValueError: the file holds none.
            OSError: it can't be read or made.
        """
        with suppress(FileExistsError):
            self._make()
        seed = b64decode(self._path.read_bytes().strip(), validate=True)
        if len(seed) != _SEED_BYTES:
            raise ValueError(f"{self._path} holds no signing key")
        if self._path.suffix == ML_DSA_44:
            from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

            return MLDSA44PrivateKey.from_seed_bytes(seed)
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(seed)

    def _make(self) -> None:
        """Make the file, whole or not at all; whoever is first has made it."""
        if self._path.exists():
            raise FileExistsError(self._path)
        with beside(self._path, b64encode(token_bytes(_SEED_BYTES)) + b"\n", 0o600) as begun:
            os.link(begun, self._path)
