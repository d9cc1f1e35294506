"""Signing out everywhere: everybody who has signed in with a key, in whatever browser.

The key counts how often that was done, and a sign-in holds what the count was: it ends where the
key has counted on. So nothing is searched for, and no clock is compared with another.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tocsin.domain.errors import NotFound
from tocsin.domain.keys import ApiKey
from tocsin.domain.passes import Pass
from tocsin.ports.access import KeyRing, Keys
from tocsin.ports.world import Clock
from tocsin.services.access.access import Access
from tocsin.services.access.sign_ins import SignIns
from tocsin.services.intake.told import tell
from tocsin.services.signing_in.telling import event_of

__all__ = ["Everywhere"]


class Everywhere:
    """The use case behind ``DELETE /api/v1/session?everywhere=true``. Everything blocks."""

    def __init__(
        self, sign_ins: SignIns, access: Access, keys: Keys, ring: KeyRing, clock: Clock
    ) -> None:
        self._sign_ins = sign_ins
        self._access = access
        self._keys = keys
        self._ring = ring
        self._clock = clock

    def of_key(self, key: ApiKey) -> None:
        """End every sign-in with a key, and tell of it; the key goes on.

        This process knows at once, others within 30 seconds.

        Raises:
            Busy: nothing was written; or OutcomeUnknown: it may have been.
        """
        self._end(key, None)

    def of_sign_in(self, token: str) -> None:
        """End every sign-in with any of the keys that a sign-in holds, its own one with them.

        Those keys whose sign-ins were ended since do so no more: it may be repeated, and whoever
        keeps a cookie that is over can't end others with it.

        Raises:
            Unauthenticated: there is no such sign-in, or its time is over.
            Busy, OutcomeUnknown: as :meth:`of_key`; of some of the keys they may be ended.
        """
        sign_in = self._sign_ins.present(token)
        for held in sign_in.held:
            if key := self._access.known(*held):
                self._end(key, sign_in)

    def _end(self, key: ApiKey, sign_in: Pass | None) -> None:
        def read() -> ApiKey:
            found = self._keys.get(key.org, key.id)
            if found is None:
                raise NotFound("there is no such key")
            return found

        def plan(now: ApiKey, at_ms: int) -> tuple[ApiKey, Sequence[dict[str, Any]]]:
            if now.ended(at_ms) or (sign_in is not None and sign_in.ended_by(now)):
                return now, []
            _, event = event_of("auth.signout", now, everywhere=True)
            return replace(now, sign_outs=now.sign_outs + 1), [event]

        try:
            tell(key.org, self._clock, read, plan, self._ring.write, "key")
        except NotFound:
            return  # its org was deleted, and all that was signed in there with it
        finally:
            self._access.forget(key.org, key.id)
