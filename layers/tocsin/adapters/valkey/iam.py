"""Signing in to ElastiCache with IAM: a presigned request stands for the password.

https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth-iam.html
"""

import asyncio
from urllib.parse import urlencode

import boto3
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError
from valkey.credentials import CredentialProvider
from valkey.exceptions import AuthenticationError

from tocsin.ports.world import Clock

__all__ = ["IamCredentials", "SignedAhead"]

TOKEN_SECONDS = 900  # the most that ElastiCache allows
# A token ends with the credentials that signed it. Those have at least ten minutes left: the SDK
# does not hand out others.
REUSE_MS = 300_000
SIGN_SECONDS = 3.0


class IamCredentials(CredentialProvider):
    """An IAM user of an ElastiCache Serverless cache, and a token in place of its password."""

    def __init__(
        self, user: str, cache_name: str, clock: Clock, session: boto3.Session | None = None
    ) -> None:
        """Sign with the session's AWS credentials, in its region."""
        self._user = user
        self._cache_name = cache_name
        self._clock = clock
        self._session = session or boto3.Session()
        self._token = ""
        self._reused_until_ms = 0

    def get_credentials(self) -> tuple[str, str]:
        """Return the user and a token; blocks while the session fetches AWS credentials.

        Raises:
            AuthenticationError: there are no AWS credentials.
        """
        now_ms = self._clock.now_ms()
        if now_ms >= self._reused_until_ms:
            self._token = self._sign()
            self._reused_until_ms = now_ms + REUSE_MS
        return self._user, self._token

    def _sign(self) -> str:
        asked = {"Action": "connect", "User": self._user, "ResourceType": "ServerlessCache"}
        request = AWSRequest("GET", f"https://{self._cache_name}/?{urlencode(asked)}")
        try:
            credentials = self._session.get_credentials()
            if credentials is None:
                raise AuthenticationError("there are no AWS credentials to sign in to Valkey with")
            SigV4QueryAuth(
                credentials.get_frozen_credentials(),
                "elasticache",
                self._session.region_name,
                expires=TOKEN_SECONDS,
            ).add_auth(request)
        except (BotoCoreError, ClientError) as error:
            raise AuthenticationError(f"signing in to Valkey failed: {error}") from error
        return str(request.url).removeprefix("https://")


class SignedAhead(CredentialProvider):
    """Another provider's credentials, for a client that asks for them in the event loop."""

    def __init__(self, source: CredentialProvider) -> None:
        """Hold nothing until the first :meth:`refresh`."""
        self._source = source
        self._lock = asyncio.Lock()
        self._held: tuple[str] | tuple[str, str] = ("",)

    async def refresh(self) -> None:
        """Ask the source, in a thread; to be called before each connection.

        Raises:
            TimeoutError: it did not answer.
            Exception: whatever the source raises.
        """
        async with asyncio.timeout(SIGN_SECONDS), self._lock:
            self._held = await asyncio.to_thread(self._source.get_credentials)

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """Return the credentials of the last :meth:`refresh`, without waiting."""
        return self._held
