"""Having what events say of persons stored under keys that can be destroyed, where an org wants it.

A person's key is read for every request, and not remembered: so what comes after an erasure is
never stored under the key that was destroyed, and lost.
"""

from collections.abc import Callable, Mapping, Sequence
from secrets import token_bytes
from typing import Any, Final

from tocsin.domain.privacy import Privacy
from tocsin.domain.subjects import PARTS, SubjectKey
from tocsin.ports.privacy import Subjects
from tocsin.services.intake.stamp import Protect
from tocsin.wire.protection import protected

__all__ = ["Protecting"]

_SECRET_BYTES: Final = 64


class Protecting:
    """Makes what protects the events of a request. Everything blocks."""

    def __init__(self, setting: Callable[[str], Privacy], subjects: Subjects) -> None:
        """``setting`` returns an org's."""
        self._setting = setting
        self._subjects = subjects

    def __call__(self, org: str, events: Sequence[Mapping[str, Any]]) -> Protect | None:
        """Return what protects these events of an org; None: there is nothing to protect.

        Raises:
            Busy: the setting or the keys can't be read: nothing is stored in clear for that.
            IntegrityError: the setting, or a key, is damaged.
        """
        if not self._setting(org).erasable:
            return None
        users = {user for event in events if (user := _person(event)) is not None}
        if not users:
            return None
        found = self._subjects.find(org, users)
        keys = {user: subject.key for user, subject in found.items() if subject.key is not None}
        for user in users - keys.keys():
            new = SubjectKey(token_bytes(_SECRET_BYTES))
            keys[user] = self._subjects.give(org, user, new)

        def protect(event: Mapping[str, Any], id: str, plain: bool) -> Mapping[str, Any]:
            user = _person(event)
            if user is None:
                return event
            return protected(event, id, keys[user], plain=plain)

        return protect


def _person(event: Mapping[str, Any]) -> str | None:
    """Return whose key an event is to be under; None: it says nothing of a person."""
    user = event.get("user_id")
    named = isinstance(user, str) and user and any(name in event for name in PARTS)
    return user if named else None
