"""Sessions: a browser signs in with an API key, and from then on has a cookie in its place."""

from tocsin.domain import passes
from tocsin.domain.errors import Unauthenticated
from tocsin.domain.keys import ApiKey, Scope
from tocsin.domain.passes import Kind, Pass
from tocsin.ports import Clock, Passes
from tocsin.services._remembered import Remembered
from tocsin.services.access import Access

__all__ = ["Sessions"]


class Sessions:
    """Opens, checks and closes sessions. A session is as good as its key. Everything blocks."""

    def __init__(self, store: Passes, access: Access, clock: Clock, seconds: int) -> None:
        """Keep sessions in ``store`` for so many seconds."""
        self._store = store
        self._access = access
        self._clock = clock
        self.seconds = seconds
        self._found: Remembered[tuple[str, bytes], Pass | None] = Remembered(
            lambda name: store.get(Kind.SESSION, *name), clock
        )

    def open(self, key: ApiKey) -> tuple[str, Pass]:
        """Sign in: return a new session's token, and the session."""
        expires_at_ms = self._clock.now_ms() + self.seconds * 1_000
        token, session = passes.mint(Kind.SESSION, key, expires_at_ms)
        self._store.put(session)
        return token, session

    def find(self, token: str, scope: Scope) -> tuple[Pass, ApiKey]:
        """Return the session of a token, and its key.

        Raises:
            Unauthenticated: there is none, or it is over, or its key was revoked.
            Forbidden: its key does not carry ``scope``.
            Busy: the state table does not answer.
        """
        name = passes.claim(Kind.SESSION, token)
        session = self._found.read(name) if name else None
        if session is None:
            raise _over()
        return session, self.check_key(session, scope)

    def check_key(self, session: Pass, scope: Scope) -> ApiKey:
        """Return the session's key, without asking whether it was closed.

        Raises what :meth:`find` raises. A revoked key is noticed within 30 seconds.
        """
        if session.expires_at_ms <= self._clock.now_ms():
            raise _over()
        return self._access.authorize_key(session.org, session.key_id, scope)

    def check_open(self, session: Pass) -> None:
        """Raise :class:`Unauthenticated` if it was closed, which is noticed within 30 seconds."""
        if self._found.read((session.org, session.digest)) is None:
            raise _over()

    def close(self, token: str) -> None:
        """Sign out: end a token's session, if there is one."""
        if name := passes.claim(Kind.SESSION, token):
            self._store.take(Kind.SESSION, *name)
            self._found.forget(name)


def _over() -> Unauthenticated:
    return Unauthenticated("the session is over: sign in again with POST /api/v1/session")
