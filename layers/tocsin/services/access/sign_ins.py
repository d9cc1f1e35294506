"""Sign-ins: a browser signs in with an API key, and from then on has a cookie in its place."""

from tocsin.domain import passes
from tocsin.domain.errors import Unauthenticated
from tocsin.domain.keys import ApiKey, Scope
from tocsin.domain.passes import Kind, Pass
from tocsin.ports import Clock, Passes
from tocsin.services.access.access import Access
from tocsin.services.access.remembered import Remembered

__all__ = ["SignIns"]


class SignIns:
    """Opens, checks and closes sign-ins. A sign-in may do what its key may. Everything blocks."""

    def __init__(self, store: Passes, access: Access, clock: Clock, seconds: int) -> None:
        """``seconds`` is how long a sign-in lasts."""
        self._store = store
        self._access = access
        self._clock = clock
        self.seconds = seconds
        self._found: Remembered[tuple[str, bytes], Pass | None] = Remembered(
            lambda name: store.get(Kind.SIGN_IN, *name), clock
        )

    def open(self, key: ApiKey) -> tuple[str, Pass]:
        """Return a new sign-in's token, and the sign-in."""
        expires_at_ms = self._clock.now_ms() + self.seconds * 1_000
        token, sign_in = passes.mint(Kind.SIGN_IN, key, expires_at_ms)
        self._store.put(sign_in)
        return token, sign_in

    def find(self, token: str, scope: Scope | None) -> tuple[Pass, ApiKey]:
        """Return the sign-in of a token, and its key.

        Raises:
            Unauthenticated: there is none, or it is over, or its key was revoked.
            Forbidden: its key does not carry ``scope``.
            Busy: the state table does not answer.
        """
        name = passes.claim(Kind.SIGN_IN, token)
        sign_in = self._found.read(name) if name else None
        if sign_in is None:
            raise _over()
        return sign_in, self.check_key(sign_in, scope)

    def check_key(self, sign_in: Pass, scope: Scope | None) -> ApiKey:
        """Return the sign-in's key, without asking whether it was closed.

        Raises what :meth:`find` raises. A revoked key is noticed within 30 seconds.
        """
        if sign_in.expires_at_ms <= self._clock.now_ms():
            raise _over()
        return self._access.authorize_key(sign_in.org, sign_in.key_id, scope)

    def check_open(self, sign_in: Pass) -> None:
        """Raise :class:`Unauthenticated` if it was closed, which is noticed within 30 seconds."""
        if self._found.read((sign_in.org, sign_in.digest)) is None:
            raise _over()

    def close(self, token: str) -> None:
        """Sign out: end the sign-in of a token, if there is one."""
        if name := passes.claim(Kind.SIGN_IN, token):
            self._store.take(Kind.SIGN_IN, *name)
            self._found.forget(name)


def _over() -> Unauthenticated:
    return Unauthenticated("the session is over: sign in again with POST /api/v1/session")
