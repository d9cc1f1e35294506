"""Erasing what is recorded of a person: their key is destroyed, and an event tells of it.

What was stored under it can't be read any more, by nobody; every entry, hash and proof stays. What
comes of this person later is stored under another key, and can be erased again.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tocsin.domain.batch import Batch
from tocsin.domain.errors import NotFound
from tocsin.domain.keys import ApiKey
from tocsin.domain.org import check_not_held
from tocsin.domain.subjects import ERASED, KeptSubject
from tocsin.ports.orgs import Orgs
from tocsin.ports.privacy import Subjects
from tocsin.ports.world import Clock
from tocsin.services.intake.told import tell

__all__ = ["Erasing"]


class Erasing:
    """The use case behind ``tocsin erase``. Everything blocks."""

    def __init__(self, subjects: Subjects, orgs: Orgs, clock: Clock) -> None:
        self._subjects = subjects
        self._orgs = orgs
        self._clock = clock

    def __call__(self, key: ApiKey, user: str, reason: str = "") -> KeptSubject:
        """Erase what is recorded of a person until now; return who erased it, and when.

        Who asks again gets the same answer, unless something came since.

        Raises:
            Conflict: the org is under a legal hold.
            NotFound: nothing is stored under a key of this person's, and never was.
            Busy: it is as it was; or OutcomeUnknown: it may be erased. Ask again.
        """
        was = KeptSubject(org=key.org, user=user)

        def read() -> KeptSubject:
            nonlocal was
            was = self._subjects.find(key.org, [user]).get(user, was)
            return was

        def plan(now: KeptSubject, at_ms: int) -> tuple[KeptSubject, Sequence[dict[str, Any]]]:
            check_not_held(self._orgs.get(key.org))
            if now.key is None and not now.damaged:
                if now.change:
                    return now, []
                raise NotFound(
                    "nothing can be erased of this user: nothing that is recorded of them is "
                    "stored under a key, as it is since the org's privacy setting is `erasable`"
                )
            data = {"user_id": user, "reason": reason, "key": now.key.id if now.key else ""}
            event = {
                "type": ERASED,
                "action": "alert",
                "user_id": key.holder,
                "data": {name: value for name, value in data.items() if value},
            }
            erased = replace(now, key=None, damaged=False, erased_by=key.holder, erased_at_ms=at_ms)
            return erased, [event]

        def write(erased: KeptSubject, change: str, batch: Batch, packed: bytes) -> bool:
            return self._subjects.erase(erased, was, batch, packed)

        return tell(key.org, self._clock, read, plan, write, "user")
