"""What orgs want done with what their events say."""

from collections.abc import Collection, Iterator, Mapping
from typing import Protocol

from tocsin.domain.batch import Batch
from tocsin.domain.privacy import KeptPrivacy
from tocsin.domain.subjects import KeptSubject, SubjectKey

__all__ = ["PrivacySettings", "Subjects"]


class PrivacySettings(Protocol):
    """The settings of orgs."""

    def get(self, org: str) -> KeptPrivacy:
        """Return an org's settings, strongly consistent."""

    def write(self, kept: KeptPrivacy, was: str, batch: Batch, packed: bytes) -> bool:
        """Write settings, and the batch that tells of them.

        False: the last change is not ``was``.

        Raises:
            Busy: nothing was written; or OutcomeUnknown: it may have been.
        """


class Subjects(Protocol):
    """The persons that orgs' events are about, and their keys."""

    def find(self, org: str, users: Collection[str]) -> Mapping[str, KeptSubject]:
        """Return those of these persons that are known, by id, strongly consistent.

        Raises:
            Busy: the store does not answer.
        """

    def all(self, org: str) -> Iterator[KeptSubject]:
        """Yield an org's persons, by id, page by page.

        Raises:
            Busy: the store does not answer.
        """

    def give(self, org: str, user: str, key: SubjectKey) -> SubjectKey:
        """Return the key of a person: this one, unless there is one already.

        Raises:
            Busy: it may have been given, or not; nothing is encrypted with it yet.
            IntegrityError: the one that there is is damaged.
        """

    def erase(self, erased: KeptSubject, was: KeptSubject, batch: Batch, packed: bytes) -> bool:
        """Destroy a person's key, and write the batch that tells of it.

        False: the key is not the one that ``was`` has, or there is none; or the org is under a
        legal hold.

        Raises:
            Busy: nothing was written; or OutcomeUnknown: it may have been.
        """
