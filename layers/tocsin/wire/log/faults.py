"""What can be wrong with evidence.

::

    TocsinError
    └── BadEvidence
        ├── BadFormat      it is not written as its specification has it
        ├── BadSignature   a known key is named, and did not sign this
        ├── NotTrusted     whom the reader trusts did not sign it, or not enough of them
        └── EntryTooLong   an entry is longer than a bundle of entries can say

That a proof does not lead to its root is :class:`tocsin.domain.merkle.BadProof`.
"""

from tocsin.domain.errors import TocsinError

__all__ = ["BadEvidence", "BadFormat", "BadSignature", "EntryTooLong", "NotTrusted"]


class BadEvidence(TocsinError):
    """Base of what is wrong with evidence; the message says what, for people."""


class BadFormat(BadEvidence):
    """A key, a note, a checkpoint, a path, a proof or a policy is not written as it must be."""


class BadSignature(BadEvidence):
    """A signature under the name and id of a known key is not that key's over this text."""


class NotTrusted(BadEvidence):
    """It may be genuine, but does not have the signatures that the reader asks for."""


class EntryTooLong(BadEvidence):
    """An entry that a bundle can't hold; ``place`` is its place in the bundle, from 0."""

    def __init__(self, message: str, place: int) -> None:
        super().__init__(message)
        self.place = place
