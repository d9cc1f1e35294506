"""Who may watch, as the application says."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from tocsin.domain.errors import Busy, Unauthenticated
from tocsin.domain.keys import ApiKey, Scope

__all__ = ["Tokens", "ValidateToken"]

logger = logging.getLogger(__name__)

type ValidateToken = Callable[[str], Awaitable[str | None]]
"""From a token to the id of its subscriber; None: the token is not valid."""

ANSWER_SECONDS = 10.0  # in which an open stream's token is checked again, or left for later


class Tokens:
    """Authorizes by ``validate_token``; without one, all may watch."""

    def __init__(self, org: str, validate: ValidateToken | None) -> None:
        """Let subscribers into one org."""
        self._org = org
        self._validate = validate
        self._loop: asyncio.AbstractEventLoop | None = None

    async def subscriber(self, token: str | None) -> ApiKey:
        """Return whose a token is.

        Raises:
            Unauthenticated: there is none, or it is not valid.
        """
        if self._validate is None:
            return self._key("anyone")
        self._loop = asyncio.get_running_loop()
        subscriber = None
        try:
            subscriber = await self._validate(token) if token else None
        except Exception:  # of the application; who can't be known may not watch
            logger.exception("validate_token failed")
        if not subscriber:
            raise Unauthenticated("Invalid token")
        return self._key(subscriber)

    def authorize(self, token: str | None, scope: Scope, /) -> ApiKey:
        """Check an open stream's token again, in another thread than the event loop's."""
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
