"""What orgs want done with what their events say."""

from typing import Protocol

from tocsin.domain.batch import Batch
from tocsin.domain.privacy import KeptPrivacy

__all__ = ["PrivacySettings"]


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
