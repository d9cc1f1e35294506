"""What is recorded of a person, so that it can be forgotten: under a key that can be destroyed.

An entry of the ledger can't be changed. So what it says of a person is stored as ciphertext, under
a key that is this person's alone and kept elsewhere. Without the key nobody reads it any more, and
every hash is as it was.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

__all__ = ["ERASED", "PARTS", "KeptSubject", "SubjectKey"]

ERASED: Final = "tocsin.user_erased"
"""The type of the event that tells that a person's key was destroyed.

``data`` names the person (``user_id``) and the key (``key``).
"""

PARTS: Final = ("data", "metadata", "request")
"""The fields of an event that are stored as ciphertext."""

_ID_CHARS: Final = 32
_CONTEXT: Final = b"tocsin/v1/subject-key/"


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """A person's key: 64 random bytes, for AES-256-SIV (RFC 5297)."""

    secret: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """128 bits of the key's hash in hexadecimal: no other key has them."""
        return sha256(_CONTEXT + self.secret).hexdigest()[:_ID_CHARS]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSubject:
    """A person of an org: the key, if there is one, and who erased the last one before it when.

    ``change`` names the batch that tells of that; empty: nothing was ever erased. ``damaged``:
    what is stored as a key is none.
    """

    org: str
    user: str
    key: SubjectKey | None = None
    erased_by: str = ""
    erased_at_ms: int = 0
    change: str = ""
    damaged: bool = False
