"""Keeping an org's policies: the next version, and what they are now."""

from collections.abc import Sequence
from typing import Any

from tocsin.domain.batch import Batch
from tocsin.domain.errors import Changed
from tocsin.domain.keys import ApiKey
from tocsin.domain.policy import Policies
from tocsin.ports.deciding import PolicyStore
from tocsin.ports.world import Clock
from tocsin.services.access.remembered import Remembered
from tocsin.services.intake.told import tell
from tocsin.services.policies.engine import Compiled, compiled
from tocsin.services.policies.starter import STARTER

__all__ = ["Keeping"]


class Keeping:
    """Reads and changes policies. Everything blocks."""

    def __init__(self, store: PolicyStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._compiled: Remembered[str, tuple[Policies, Compiled]] = Remembered(self._read, clock)

    def current(self, org: str) -> Policies:
        """Return an org's policies; those that come with Tocsin, if it has set none."""
        return self._store.current(org) or Policies(org=org, version=0, text=STARTER)

    def version(self, org: str, version: int | None) -> Policies | None:
        """Return what an org's policies were at a version; None: what they are."""
        if version is None:
            return self.current(org)
        if version == 0:
            return Policies(org=org, version=0, text=STARTER)
        return self._store.version(org, version)

    def to_decide(self, org: str) -> tuple[Policies, Compiled]:
        """Return an org's policies ready to be asked; what they were up to half a minute ago.

        Raises:
            Invalid: what is stored is not what was checked when it was put.
        """
        return self._compiled.read(org)

    def put(self, key: ApiKey, text: str, instead_of: int | None) -> Policies:
        """Make these the org's policies; ``instead_of`` is the version that their author saw.

        Raises:
            Invalid: they are not policies; it says where.
            Changed: the org has another version by now.
            Busy: nothing was written; or OutcomeUnknown: it may have been.
        """
        count = len(compiled(text))

        def plan(now: Policies, at_ms: int) -> tuple[Policies, Sequence[dict[str, Any]]]:
            if instead_of is not None and now.version != instead_of:
                raise Changed(
                    f"the policies are at version {now.version}, not {instead_of}: read them again"
                )
            next = Policies(
                org=key.org,
                version=now.version + 1,
                text=text,
                created_at_ms=at_ms,
                created_by=key.holder,
            )
            event = {
                "type": "tocsin.policies_changed",
                "user_id": key.holder,
                "request": {"version": next.version, "policies": text},
                "data": {"count": count},
            }
            return next, [event]

        def write(next: Policies, _: str, batch: Batch, packed: bytes) -> bool:
            return self._store.put(next, batch, packed)

        def read() -> Policies:
            return self.current(key.org)

        made = tell(key.org, self._clock, read, plan, write, "policies")
        self._compiled.forget(key.org)
        return made

    def _read(self, org: str) -> tuple[Policies, Compiled]:
        policies = self.current(org)
        return policies, compiled(policies.text)
