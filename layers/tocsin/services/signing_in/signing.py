"""Signing in, adding an org, making another one active, signing out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tocsin.domain import passes
from tocsin.domain.errors import Busy, Conflict, NotFound, OutcomeUnknown, Unauthenticated
from tocsin.domain.keys import ApiKey
from tocsin.domain.limits import MAX_SIGNED_IN_ORGS
from tocsin.domain.passes import Kind, Pass
from tocsin.ports.access import Passes, SignInWrites
from tocsin.ports.world import Clock
from tocsin.services.access.access import Access
from tocsin.services.access.sign_ins import SignIns
from tocsin.services.intake.stamp import new_id, own_batch
from tocsin.services.signing_in.telling import event_of

__all__ = ["Opened", "Signing"]

_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Opened:
    """A sign-in, its active key, and its token, for the cookie alone."""

    sign_in: Pass
    key: ApiKey
    token: str = field(repr=False)


class Signing:
    """The use cases behind ``/api/v1/session``. Everything blocks.

    A sign-in that is stored never changes: one that holds an org more, or has another one active,
    takes its place under a new token. So nobody who remembers the old one takes it for the new.
    """

    def __init__(
        self,
        sign_ins: SignIns,
        access: Access,
        store: Passes,
        writes: SignInWrites,
        clock: Clock,
        seconds: int,
    ) -> None:
        """``seconds`` is how long a sign-in lasts."""
        self._sign_ins = sign_ins
        self._access = access
        self._store = store
        self._writes = writes
        self._clock = clock
        self._seconds = seconds

    def open(self, key: ApiKey) -> Opened:
        """Sign in with a key.

        Raises:
            Busy: nothing was written; or OutcomeUnknown: it may have been, and nobody has the
                token.
        """
        expires_at_ms = self._clock.now_ms() + self._seconds * 1_000
        counts = self._counts(key)
        return self._put(key, expires_at_ms, (), counts, None, [event_of("auth.signin", key)])

    def add(self, token: str, key: ApiKey) -> Opened:
        """Have a sign-in hold a further key, whose org is active then; it ends when it would have.

        A key of the same org that it holds already makes room for this one.

        Raises:
            Unauthenticated: the sign-in is over.
            Conflict: it holds :data:`.limits.MAX_SIGNED_IN_ORGS`.
            Busy: as :meth:`open`.
        """
        old = self._sign_ins.present(token)
        others = [each for each in self._sign_ins.working(old) if each.org != key.org]
        if len(others) >= MAX_SIGNED_IN_ORGS:
            raise Conflict(
                f"this session holds {MAX_SIGNED_IN_ORGS} orgs, and no more: sign out first"
            )
        counts = dict(old.sign_outs) | self._counts(key)
        return self._put(
            key, old.expires_at_ms, others, counts, old, [event_of("auth.signin", key)]
        )

    def switch(self, token: str, org: str) -> Opened:
        """Make another org active that a sign-in holds; nothing happens if it is active.

        Raises:
            Unauthenticated: the sign-in is over.
            NotFound: it holds no key of the org that still works, or there is no such org.
            Busy: as :meth:`open`.
        """
        old = self._sign_ins.present(token)
        keys = {each.org: each for each in self._sign_ins.working(old)}
        key = keys.pop(org, None)
        if key is None:
            raise NotFound("this session holds no such org: add it with a key of it")
        if old.org == org:
            return Opened(old, key, token)
        return self._put(key, old.expires_at_ms, [*keys.values()], dict(old.sign_outs), old, [])

    def close(self, token: str) -> None:
        """Sign out of every org that a sign-in holds. There need not be one (any more).

        Raises:
            Busy: as :meth:`open`.
        """
        try:
            old = self._sign_ins.present(token)
        except Unauthenticated:
            return
        keys = [self._access.known(*each) for each in old.held]
        self._write(None, old, [event_of("auth.signout", key) for key in keys if key])

    def _put(
        self,
        key: ApiKey,
        expires_at_ms: int,
        others: Sequence[ApiKey],
        counts: Mapping[str, int],
        old: Pass | None,
        told: Sequence[tuple[str, dict[str, Any]]],
    ) -> Opened:
        orgs = {key.org, *(each.org for each in others)}
        kept = {org: count for org, count in counts.items() if count and org in orgs}
        token, new = passes.mint(Kind.SIGN_IN, key, expires_at_ms, others, kept)
        if not self._write(new, old, told):
            raise Unauthenticated("the session is over: sign in again with POST /api/v1/session")
        return Opened(new, key, token)

    def _counts(self, key: ApiKey) -> dict[str, int]:
        """Return how often the key has signed everybody out by now, whatever is remembered."""
        now = self._access.renew(key.org, key.id)
        return {key.org: now.sign_outs if now else 0}

    def _write(
        self, new: Pass | None, old: Pass | None, told: Sequence[tuple[str, dict[str, Any]]]
    ) -> bool:
        """Put ``new`` in the place of ``old``; False: ``old`` was not there any more.

        A try whose answer was lost is known by what is there.
        """
        unknown = Busy("others are changing the same session: send the request again")
        for _ in range(_TRIES):
            now_ms = self._clock.now_ms()
            batches = [own_batch(org, [event], new_id(now_ms)) for org, event in told]
            try:
                done = self._writes.write(new, old, batches)
            except OutcomeUnknown as error:
                unknown, done = error, False
            if done or (new is not None and self._is_there(new)):
                break
            if old is not None and not self._is_there(old):
                self._sign_ins.forget(old)
                return new is None
        else:
            raise unknown
        if old is not None:
            self._sign_ins.forget(old)
        return True

    def _is_there(self, sign_in: Pass) -> bool:
        return self._store.get(Kind.SIGN_IN, sign_in.org, sign_in.digest) is not None
