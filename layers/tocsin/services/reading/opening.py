"""Reading what is stored under persons' keys, and no longer what was erased.

A key is remembered for half a minute, as credentials are: what is erased is read nowhere a minute
later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, override

from tocsin.domain import canonical
from tocsin.domain.batch import Batch, StoredBatch, UnreadableBatch
from tocsin.domain.segment import SealedEvent
from tocsin.domain.subjects import KeptSubject
from tocsin.ports.log import Journal
from tocsin.ports.privacy import Subjects
from tocsin.ports.world import Clock
from tocsin.services.access.remembered import Remembered
from tocsin.wire.protection import Unopened, is_protected, key_of, opened, unopened

__all__ = ["OpenedJournal"]


class OpenedJournal(Journal):
    """A journal whose events are read as they came, as long as there are the keys."""

    def __init__(self, journal: Journal, subjects: Subjects, clock: Clock) -> None:
        self._journal = journal
        self._subjects = subjects

        def one(name: tuple[str, str]) -> KeptSubject | None:
            org, user = name
            return subjects.find(org, [user]).get(user)

        self._known = Remembered[tuple[str, str], KeptSubject | None](one, clock)

    @override
    def put(self, batch: Batch, packed: bytes) -> None:
        self._journal.put(batch, packed)

    @override
    def get(self, org: str, batch_ids: Sequence[str]) -> Mapping[str, Batch | UnreadableBatch]:
        return self._journal.get(org, batch_ids)

    @override
    def between(self, org: str, after_id: str, until_id: str, limit: int) -> Sequence[StoredBatch]:
        return self._journal.between(org, after_id, until_id, limit)

    @override
    def opened(self, org: str, events: Sequence[SealedEvent]) -> Sequence[SealedEvent]:
        held = {}
        for place, event in enumerate(events):
            if is_protected(event.entry):
                fields = canonical.parse(event.entry)
                if (whose := key_of(fields)) is not None:
                    held[place] = fields, whose
        if not held:
            return events
        users = {user for _, (user, _) in held.values()}
        if unknown := self._known.unknown([(org, user) for user in users]):
            wanted = [user for _, user in unknown]

            def read() -> Mapping[tuple[str, str], KeptSubject]:
                found = self._subjects.find(org, wanted)
                return {(org, user): subject for user, subject in found.items()}

            self._known.renew_all(unknown, read, None)
        subjects = {user: self._known.read((org, user)) for user in users}
        return [
            event
            if (found := held.get(place)) is None
            else replace(event, entry=_shown(found[0], found[1], subjects), sealed=event.hashed)
            for place, event in enumerate(events)
        ]


def _shown(
    event: Mapping[str, Any], whose: tuple[str, str], subjects: Mapping[str, KeptSubject | None]
) -> bytes:
    user, id = whose
    subject = subjects[user]
    if subject is None:
        return unopened(event, erased=False)
    if subject.key is None or subject.key.id != id:
        return unopened(event, erased=bool(subject.change))
    try:
        return opened(event, subject.key)
    except Unopened:
        return unopened(event, erased=False)
