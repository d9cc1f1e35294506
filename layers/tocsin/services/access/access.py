"""From a credential to the key it stands for. The org comes from the credential alone."""

from tocsin.domain.errors import Forbidden, Unauthenticated
from tocsin.domain.keys import ApiKey, Scope, key_ids
from tocsin.domain.org import Org, check_active
from tocsin.ports.access import Keys
from tocsin.ports.orgs import Orgs
from tocsin.ports.world import Clock
from tocsin.services.access.remembered import Remembered

__all__ = ["Access", "token_of"]


def token_of(authorization: str | None) -> str:
    """Return the token of an ``Authorization`` header.

    Raises:
        Unauthenticated: there is none.
    """
    kind, _, token = (authorization or "").partition(" ")
    if kind.lower() != "bearer" or not token:
        raise Unauthenticated("send an API key: Authorization: Bearer <key>")
    return token.strip()


class Access:
    """Checks API keys and their orgs against the state table, remembering each for 30 seconds."""

    def __init__(self, keys: Keys, orgs: Orgs, clock: Clock) -> None:
        self._clock = clock
        self._keys: Remembered[tuple[str, str], ApiKey | None] = Remembered(
            lambda ids: keys.get(*ids), clock
        )
        self._orgs: Remembered[str, Org | None] = Remembered(orgs.get, clock)

    def authorize(self, authorization: str | None, scope: Scope | None) -> ApiKey:
        """Return the key of an ``Authorization`` header; with scope None, whatever it may do.

        Raises:
            Unauthenticated: there is none, or it is not (or no longer) valid.
            Forbidden: it does not carry ``scope``; or OrgSuspended: its org is not active.
            Busy: the state table does not answer.
        """
        return self.authorize_token(token_of(authorization), scope)

    def authorize_token(self, token: str, scope: Scope | None) -> ApiKey:
        """Return the key of a bare token; raises what :meth:`authorize` raises."""
        claimed = key_ids(token)
        key = self.known(*claimed) if claimed else None
        if key is None or not key.matches(token):
            raise Unauthenticated("the API key is not valid: it is unknown, or it was revoked")
        if key.ended(self._clock.now_ms()):
            raise Unauthenticated("the API key has expired: use another")
        return self._carrying(scope, key)

    def known(self, org: str, key_id: str) -> ApiKey | None:
        """Return a key as it is, revoked or not; raises Busy as :meth:`authorize` does."""
        return self._keys.read((org, key_id))

    def org(self, id: str) -> Org | None:
        """Return an org as it was up to half a minute ago; raises Busy as :meth:`authorize` does.

        One that is not there is looked for again.
        """
        return self._orgs.read(id) or self._orgs.renew(id)

    def renew(self, org: str, key_id: str) -> ApiKey | None:
        """Return a key as it is stored now, revoked or not; raises Busy as :meth:`authorize`."""
        return self._keys.renew((org, key_id))

    def forget(self, org: str, key_id: str) -> None:
        """Have a key read again next time: it was changed."""
        self._keys.forget((org, key_id))

    def authorize_key(self, org: str, key_id: str, scope: Scope | None) -> ApiKey:
        """Return the key that a pass stands for; raises what :meth:`authorize` raises."""
        key = self.known(org, key_id)
        if key is None or key.ended(self._clock.now_ms()):
            raise Unauthenticated(
                "the API key that this came from was revoked, or has expired: use another"
            )
        return self._carrying(scope, key)

    def _carrying(self, scope: Scope | None, key: ApiKey) -> ApiKey:
        """Return a key that works, if those that delegated it, its org and its scopes allow."""
        for id in key.chain:
            above = self.known(key.org, id)
            if above is None or above.ended(self._clock.now_ms()):
                raise Unauthenticated(
                    "an API key that this one was delegated by was revoked, or has expired: ask "
                    "for another"
                )
        check_active(self._orgs.read(key.org))
        if scope is not None and not key.may(scope):
            raise Forbidden(f"the API key does not have the scope {scope}: use a key that has it")
        return key
