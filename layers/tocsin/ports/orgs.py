"""The tenants, and all that is theirs."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from tocsin.domain.org import Org

__all__ = ["Holdings", "Orgs"]


class Orgs(Protocol):
    """The tenants."""

    def get(self, org: str) -> Org | None:
        """Return an org's settings."""

    def put(self, org: Org) -> None:
        """Create or change an org, whatever it was."""

    def change(self, org: Org, was: Org | None) -> bool:
        """Write an org that is as it ``was`` when it was read; None: that is not there.

        Returns:
            False: it is otherwise (it may be as this call wrote it, if its answer was lost).
        """

    def all(self) -> Sequence[Org]:
        """Return every org, by id, those that are gone included.

        One that can't be read may take nothing in, and is suspended.
        """

    def swept_until(self, org: str) -> str:
        """Return the batch id up to which the sweeper has looked ("" at first)."""

    def set_swept_until(self, org: str, batch_id: str) -> None:
        """Remember how far the sweeper has looked."""


class Holdings(Protocol):
    """All that is stored of orgs."""

    def remove(self, org: str) -> Iterator[int]:
        """Remove all of an org but its settings, and yield how many items went, step by step.

        Ended at any step it can be begun again. What is written meanwhile may stay.
        """
