"""Who may watch, as the application says."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from tocsin.domain.errors import Busy, Unauthenticated
from tocsin.domain.keys import ApiKey, Scope

__all__ = ["Tokens", "ValidateToken"]

logger = logging.getLogger(__name__)

type ValidateToken = Callable[[str], Awaitable[str | None]]
"""Returns the id of a token's subscriber; None: the token is not valid."""

ANSWER_SECONDS = 10.0  # for a recheck of an open stream's token, which is otherwise left for later


class Tokens:
    """Authorizes by ``validate_token``; without one, all may watch."""

    def __init__(self, org: str, validate: ValidateToken | None) -> None:
        self._org = org
        self._validate = validate
        self._loop: asyncio.AbstractEventLoop | None = None

    async def subscriber(self, token: str | None) -> ApiKey:
        """Return a key that stands for the token's subscriber, with the scope ``read``.

        Raises:
            Unauthenticated: there is none, or it is not valid.
        """
        if self._validate is None:
            return self._key("anyone")
        self._loop = asyncio.get_running_loop()
        subscriber = None
        try:
            subscriber = await self._validate(token) if token else None
        except Exception:  # the application's; who can't be identified may not watch
            logger.exception("validate_token failed")
        if not subscriber:
            raise Unauthenticated("Invalid token")
        return self._key(subscriber)

    def authorize(self, token: str | None, scope: Scope | None, /) -> ApiKey:
        """Check an open stream's token again; not to be called in the event loop's thread."""
        if self._validate is None:
            return self._key("anyone")
        if self._loop is None:
            raise Busy("no token was validated yet")
        checked = asyncio.run_coroutine_threadsafe(self.subscriber(token), self._loop)
        try:
            return checked.result(ANSWER_SECONDS)
        except TimeoutError as error:
            checked.cancel()
            raise Busy("validate_token does not answer") from error

    def _key(self, subscriber: str) -> ApiKey:
        return ApiKey(self._org, subscriber, b"", frozenset({Scope.READ}), subscriber, 0)
