"""Creating, limiting, suspending, resuming and deleting an org. Its id is never used again."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from tocsin.domain.errors import Busy, Conflict, Malformed, NotFound, OutcomeUnknown
from tocsin.domain.ids import is_name
from tocsin.domain.limits import EVENTS_PER_MONTH, MAX_SAFE_INTEGER, SETTLED_MS
from tocsin.domain.org import Org, OrgStatus, check_not_held
from tocsin.domain.times import iso_ms
from tocsin.ports.orgs import Holdings, Orgs
from tocsin.ports.world import Clock

__all__ = ["Keeping"]

_TRIES: Final = 4


class Keeping:
    """The use cases behind ``tocsin orgs``. Repeating one that is done changes nothing."""

    def __init__(self, orgs: Orgs, holdings: Holdings, clock: Clock) -> None:
        self._orgs = orgs
        self._holdings = holdings
        self._clock = clock

    def all(self) -> Sequence[Org]:
        """Return every org, by id, those that are gone included."""
        return self._orgs.all()

    def find(self, id: str) -> Org:
        """Return an org.

        Raises:
            NotFound: there is none.
        """
        found = self._orgs.get(id)
        if found is None:
            raise NotFound(f"there is no org {id}")
        return found

    def create(self, id: str, events_per_month: int = EVENTS_PER_MONTH) -> Org:
        """Create an org.

        Raises:
            Malformed: its id or its quota is none.
            Conflict: there is one with this id, or was.
        """
        if not is_name(id):
            raise Malformed(f"{id!r} is not an org id: use 1 to 64 of a-z, 0-9 and -")
        org = Org(id, _quota(events_per_month))
        if not self._orgs.change(org, None):
            there = self._orgs.get(id)
            what = "was deleted: an id is never used again" if there and there.gone else "is there"
            raise Conflict(f"the org {id} {what}")
        return org

    def ensure(self, id: str, events_per_month: int | None = None) -> Org:
        """Return an org that keys can be made for; create it, or limit it, where need be.

        Raises:
            Malformed: its id or its quota is none.
            Conflict: it is being deleted, or was.
        """
        if self._orgs.get(id) is None:
            try:
                return self.create(
                    id, EVENTS_PER_MONTH if events_per_month is None else events_per_month
                )
            except Conflict:  # another was faster
                pass
        if events_per_month is not None:
            return self.limit(id, events_per_month)
        return self._changed(id, lambda org: org)

    def limit(self, id: str, events_per_month: int) -> Org:
        """Set an org's quota; it holds everywhere within half a minute.

        Raises:
            Malformed: it is none.
            NotFound: there is no such org.
            Conflict: it is being deleted, or was.
        """
        quota = _quota(events_per_month)
        return self._changed(id, lambda org: replace(org, events_per_month=quota))

    def suspend(self, id: str) -> Org:
        """Suspend an org; all its keys are refused within a minute, and its streams end.

        Raises:
            NotFound: there is no such org.
            Conflict: it is being deleted, or was.
        """
        return self._changed(id, lambda org: self._with(org, OrgStatus.SUSPENDED))

    def resume(self, id: str) -> Org:
        """End an org's suspension; raises what :meth:`suspend` does."""
        return self._changed(id, lambda org: self._with(org, OrgStatus.ACTIVE))

    def hold(self, id: str) -> Org:
        """Put an org under a legal hold: nothing of it is deleted or erased while it lasts.

        Raises:
            NotFound: there is no such org.
            Conflict: it is being deleted, or was.
        """
        now_ms = self._clock.now_ms()
        return self._changed(
            id, lambda org: org if org.held_since_ms else replace(org, held_since_ms=now_ms)
        )

    def release(self, id: str) -> Org:
        """End an org's legal hold; raises what :meth:`hold` does."""
        return self._changed(id, lambda org: replace(org, held_since_ms=0))

    def delete(self, id: str) -> Iterator[int]:
        """Remove all that is stored of an org but a stone; yield how many items went, by and by.

        It is suspended first, and nothing is removed for ten minutes: as long may what was accepted
        before still be written and sealed. Ended at any step, it can be begun again; of an org that
        was deleted it removes what came late.

        Raises:
            NotFound: there is no such org.
            Conflict: it is under a legal hold, or not suspended for long enough; the message says
                when it will be.
        """
        org = self._orgs.get(id)
        check_not_held(org)  # before it is suspended
        if org is None or not org.gone:
            org = self.suspend(id)
            due_ms = org.since_ms + SETTLED_MS
            if self._clock.now_ms() < due_ms:
                raise Conflict(
                    f"the org {id} is suspended, and what it sent before may still be written: "
                    f"repeat this from {iso_ms(due_ms)} on"
                )
        if org.status is not OrgStatus.DELETED:
            self._changed(id, self._going, may_be_gone=True)
        removed = True
        while removed:  # until there is nothing, also of what came meanwhile
            removed = False
            for count in self._holdings.remove(id):
                removed = True
                yield count
        self._changed(id, lambda org: self._with(org, OrgStatus.DELETED), may_be_gone=True)

    def _going(self, org: Org) -> Org:
        check_not_held(org)
        return self._with(org, OrgStatus.DELETING)

    def _with(self, org: Org, status: OrgStatus) -> Org:
        if org.status is status:
            return org
        return replace(org, status=status, since_ms=self._clock.now_ms())

    def _changed(self, id: str, change: Callable[[Org], Org], *, may_be_gone: bool = False) -> Org:
        unknown = Busy("others are changing the same org: begin again")
        for _ in range(_TRIES):
            was = self.find(id)
            if was.gone and not may_be_gone:
                raise Conflict(f"the org {id} is {was.status}: that can't be undone")
            org = change(was)
            if org == was:
                return org
            try:
                if self._orgs.change(org, was):
                    return org
            except OutcomeUnknown as error:
                unknown = error
        raise unknown


def _quota(events_per_month: int) -> int:
    if not 0 <= events_per_month <= MAX_SAFE_INTEGER:
        raise Malformed(f"a quota is a number from 0 to {MAX_SAFE_INTEGER:,}")
    return events_per_month
