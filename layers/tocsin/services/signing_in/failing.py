"""Telling of sign-ins that failed, so that nobody can fill a ledger by it."""

import logging
from typing import Any, Final

from tocsin.domain.errors import OutcomeUnknown, TocsinError, Unauthenticated
from tocsin.domain.keys import ApiKey, key_ids
from tocsin.domain.limits import MAX_FAILED_SIGN_INS, MAX_FAILED_SIGN_INS_PER_KEY
from tocsin.domain.times import utc
from tocsin.ports.access import SignInFailures
from tocsin.ports.world import Clock
from tocsin.services.access.access import Access, token_of
from tocsin.services.intake.stamp import new_id, own_batch

__all__ = ["Failing"]

logger = logging.getLogger(__name__)

_TRIES: Final = 3


class Failing:
    """Writes ``auth.failed`` for a key that exists; a bounded number an hour. Everything blocks."""

    def __init__(self, access: Access, failures: SignInFailures, clock: Clock) -> None:
        self._access = access
        self._failures = failures
        self._clock = clock

    def tell(self, authorization: str | None) -> None:
        """Tell of a refused ``Authorization`` header; never that this failed, but in the log."""
        try:
            self._tell(token_of(authorization))
        except Unauthenticated:
            return  # it is no key
        except TocsinError as error:
            logger.warning("a failed sign-in is not told: %s", error)

    def _tell(self, token: str) -> None:
        claimed = key_ids(token)
        key = self._access.known(*claimed) if claimed else None
        now_ms = self._clock.now_ms()
        if key is None or (key.is_of(token) and not key.ended(now_ms)):
            return
        event, hour = _event(key, token, now_ms), utc(now_ms).strftime("%Y-%m-%dT%H")
        for _ in range(_TRIES):
            was = self._failures.get(key.org, hour)
            now = {**was, key.id: was.get(key.id, 0) + 1}
            left = min(
                MAX_FAILED_SIGN_INS - sum(now.values()),
                MAX_FAILED_SIGN_INS_PER_KEY - now[key.id],
            )
            if left < 0:
                return
            if left == 0:
                event["data"]["furtherUntold"] = True
            batch, packed = own_batch(key.org, [event], new_id(now_ms))
            try:
                if self._failures.write(key.org, hour, was, now, batch, packed):
                    return
            except OutcomeUnknown as error:
                # It may have been told, and one more would be one too many.
                logger.warning("a failed sign-in may not be told: %s", error)
                return


def _event(key: ApiKey, token: str, now_ms: int) -> dict[str, Any]:
    """Return the event; whose the key is, it says only of who has the whole key."""
    data: dict[str, Any] = {"keyId": key.id, "reason": "wrong-secret"}
    event: dict[str, Any] = {"type": "auth.failed", "action": "deny", "data": data}
    if key.is_of(token):
        reason = "expired" if key.revoked_at_ms is None else "revoked"
        data |= {"reason": reason, "userId": key.holder}
        event["user_id"] = key.holder
    return event
