"""Who may: from a credential to the key it stands for. The org comes from the credential alone."""

from dataclasses import dataclass

from tocsin.domain.errors import Forbidden, Unauthenticated
from tocsin.domain.keys import ApiKey, Scope, key_ids
from tocsin.ports import Clock, Keys

__all__ = ["Access"]

CACHE_MS = 30_000  # a revoked key stops everywhere within a minute
CACHE_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class _Cached:
    key: ApiKey | None
    read_at_ms: int


class Access:
    """Checks API keys against the state table, remembering each for 30 seconds."""

    def __init__(self, keys: Keys, clock: Clock) -> None:
        """Use ``keys`` as the truth."""
        self._keys = keys
        self._clock = clock
        self._cache: dict[tuple[str, str], _Cached] = {}

    def authorize(self, authorization: str | None, scope: Scope) -> ApiKey:
        """Return the key of an ``Authorization`` header.

        Raises:
            Unauthenticated: there is none, or it is not (or no longer) valid.
            Forbidden: it does not carry ``scope``.
            Busy: the state table does not answer.
        """
        kind, _, token = (authorization or "").partition(" ")
        if kind.lower() != "bearer" or not token:
            raise Unauthenticated("send an API key: Authorization: Bearer <key>")
        return self.authorize_token(token.strip(), scope)

    def authorize_token(self, token: str, scope: Scope) -> ApiKey:
        """Return the key of a bare token; raises what :meth:`authorize` raises."""
        claimed = key_ids(token)
        key = self._look_up(*claimed) if claimed else None
        if key is None or not key.matches(token):
            raise Unauthenticated("the API key is not valid: it is unknown, or it was revoked")
        if not key.may(scope):
            raise Forbidden(f"the API key does not have the scope {scope}: use a key that has it")
        return key

    def _look_up(self, org: str, key_id: str) -> ApiKey | None:
        now_ms = self._clock.now_ms()
        cached = self._cache.get((org, key_id))
        if cached is None or now_ms - cached.read_at_ms >= CACHE_MS:
            if len(self._cache) >= CACHE_KEYS:
                self._cache.clear()
            cached = _Cached(self._keys.get(org, key_id), now_ms)
            self._cache[org, key_id] = cached
        return cached.key
