"""Reading approvals: one, those that wait, and the rules."""

from collections.abc import Sequence
from dataclasses import dataclass

from tocsin.domain.approvals import Approval, Rule
from tocsin.domain.errors import Forbidden, NotFound
from tocsin.domain.keys import ApiKey, Scope
from tocsin.ports import Approvals, Clock

__all__ = ["Pending", "Reading"]


@dataclass(frozen=True, slots=True)
class Pending:
    """Approvals that wait, the last id that was looked at, and whether there may be more."""

    approvals: Sequence[Approval]
    last: str
    more: bool


class Reading:
    """Reads approvals for who may. Everything blocks, and raises Busy if the store does."""

    def __init__(self, store: Approvals, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def one(self, key: ApiKey, id: str) -> Approval:
        """Return an approval; a key that may only ask sees its own.

        Raises:
            NotFound: there is none.
            Forbidden: the key may not see it.
        """
        found = self._store.get(key.org, [id]).get(id)
        if found is None:
            raise NotFound("there is no such approval")
        if found.key_id != key.id and not (key.may(Scope.READ) or key.may(Scope.APPROVE)):
            raise Forbidden(
                "this key sees only what it asked for itself: use one with the scope read or "
                "approve"
            )
        return found

    def pending(self, key: ApiKey, limit: int, after: str = "") -> Pending:
        """Return those that wait, oldest first; not those whose time is over."""
        ids = self._store.pending(key.org, limit, after)
        found, now_ms = self._store.get(key.org, ids), self._clock.now_ms()
        waiting = [found[id] for id in ids if id in found]
        return Pending(
            approvals=[each for each in waiting if each.pending and not each.overdue(now_ms)],
            last=ids[-1] if ids else after,
            more=len(ids) == limit,
        )

    def rules(self, key: ApiKey) -> Sequence[Rule]:
        """Return what is always approved, oldest first."""
        return self._store.rules(key.org)
