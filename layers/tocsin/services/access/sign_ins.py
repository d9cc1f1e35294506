"""Sign-ins: a browser signs in with an API key, and from then on has a cookie in its place.

They are opened and closed by ``services/signing_in``, which tells of it.
"""

from collections.abc import Sequence
from contextlib import suppress

from tocsin.domain import passes
from tocsin.domain.errors import Forbidden, Unauthenticated
from tocsin.domain.keys import ApiKey, Scope
from tocsin.domain.passes import Kind, Pass
from tocsin.ports.access import Passes
from tocsin.ports.world import Clock
from tocsin.services.access.access import Access
from tocsin.services.access.remembered import Remembered

__all__ = ["SignIns"]


class SignIns:
    """Finds and checks sign-ins. A sign-in may do what its key may. Everything blocks."""

    def __init__(self, store: Passes, access: Access, clock: Clock) -> None:
        self._store = store
        self._access = access
        self._clock = clock
        self._found: Remembered[tuple[str, bytes], Pass | None] = Remembered(
            lambda name: store.get(Kind.SIGN_IN, *name), clock
        )

    def find(self, token: str, scope: Scope | None) -> tuple[Pass, ApiKey]:
        """Return the sign-in of a token, and its key.

        Raises:
            Unauthenticated: there is none, or it is over, or its key was revoked; then ``more``
                names the ``orgs`` that can be made active instead.
            Forbidden: its key does not carry ``scope``.
            Busy: the state table does not answer.
        """
        sign_in = self.present(token)
        return sign_in, self.check_key(sign_in, scope)

    def present(self, token: str) -> Pass:
        """Return the sign-in of a token, whatever became of its keys.

        Raises:
            Unauthenticated, Busy: as :meth:`find`.
        """
        name = passes.claim(Kind.SIGN_IN, token)
        sign_in = self._found.read(name) if name else None
        if sign_in is None or self._is_over(sign_in):
            raise _over()
        return sign_in

    def check_key(self, sign_in: Pass, scope: Scope | None) -> ApiKey:
        """Return the sign-in's key, without asking whether it was closed.

        Raises what :meth:`find` raises. A revoked key is noticed within 30 seconds.
        """
        if self._is_over(sign_in):
            raise _over()
        try:
            return self._counting(sign_in, sign_in.org, sign_in.key_id, scope)
        except Unauthenticated as error:
            if not sign_in.others:
                raise
            lost = Unauthenticated(f"{error}, or make another org active")
            lost.more = {"orgs": [org for org, _ in sign_in.others]}
            raise lost from error

    def check_open(self, sign_in: Pass) -> None:
        """Raise :class:`Unauthenticated` if it was closed, which is noticed within 30 seconds."""
        if self._found.read((sign_in.org, sign_in.digest)) is None:
            raise _over()

    def working(self, sign_in: Pass) -> Sequence[ApiKey]:
        """Return those of the keys it holds that still may read, by org. Raises Busy."""
        keys = list[ApiKey]()
        for org, key_id in sorted(sign_in.held):
            with suppress(Unauthenticated, Forbidden):
                keys.append(self._counting(sign_in, org, key_id, Scope.READ))
        return keys

    def forget(self, sign_in: Pass) -> None:
        """Have it read again next time: it was closed."""
        self._found.forget((sign_in.org, sign_in.digest))

    def _counting(self, sign_in: Pass, org: str, key_id: str, scope: Scope | None) -> ApiKey:
        """Return one of the keys that a sign-in holds, if it works and was not signed out since."""
        key = self._access.authorize_key(org, key_id, scope)
        if sign_in.ended_by(key):
            raise Unauthenticated("everybody with this API key was signed out: sign in again")
        return key

    def _is_over(self, sign_in: Pass) -> bool:
        return sign_in.expires_at_ms <= self._clock.now_ms()


def _over() -> Unauthenticated:
    return Unauthenticated("the session is over: sign in again with POST /api/v1/session")
