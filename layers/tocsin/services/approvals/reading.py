"""Reading approvals: one, those that wait, and the rules."""

from collections.abc import Iterator, Sequence

from tocsin.domain.approvals import Approval, Rule, is_id
from tocsin.domain.errors import Forbidden, NotFound
from tocsin.domain.keys import ApiKey, Scope
from tocsin.domain.limits import APPROVALS_AT_ONCE
from tocsin.ports.deciding import Approvals
from tocsin.ports.world import Clock

__all__ = ["Reading"]


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
        found = self._store.get(key.org, [id]).get(id) if is_id(id) else None
        if found is None:
            raise NotFound("there is no such approval")
        if found.key_id != key.id and not (key.may(Scope.READ) or key.may(Scope.APPROVE)):
            raise Forbidden(
                "this key sees only what it asked for itself: use one with the scope read or "
                "approve"
            )
        return found

    def pending(self, key: ApiKey, limit: int, after: str = "") -> Iterator[Approval]:
        """Yield up to ``limit`` that wait, oldest first; not those whose time is over."""
        while ids := self._store.pending(key.org, min(limit, APPROVALS_AT_ONCE), after):
            found, now_ms = self._store.get(key.org, ids), self._clock.now_ms()
            for id in ids:
                if (each := found.get(id)) and each.pending and not each.overdue(now_ms):
                    yield each
                    limit -= 1
                    if not limit:
                        return
            after = ids[-1]

    def rules(self, key: ApiKey) -> Sequence[Rule]:
        """Return what is always approved, oldest first."""
        return self._store.rules(key.org)
