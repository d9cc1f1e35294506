"""Deliveries by AWS' own services: mail by SES, objects into S3. What becomes of one is an answer.

Errors: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html and
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast, override
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from tocsin import __version__
from tocsin.adapters._aws import session
from tocsin.domain.deliveries import Answer, Outgoing
from tocsin.domain.limits import DELIVERY_SECONDS
from tocsin.ports.notify import Sender
from tocsin.wire.notify.mail import recipients

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sesv2 import SESV2Client

__all__ = ["S3Sender", "SesSender", "s3_client", "ses_client"]

_EXCERPT_CHARS: Final = 256
_LATER: Final = frozenset(
    {
        *("TooManyRequestsException", "LimitExceededException", "SendingPausedException"),
        *("AccountSuspendedException", "SlowDown", "ThrottlingException", "RequestTimeout"),
    }
)
"""Errors that say nothing against what is sent, whatever their status: they end by waiting."""


def ses_client() -> "SESV2Client":
    """Return a client of SES that keeps to a delivery's time."""
    return cast("SESV2Client", session().create_client("sesv2", config=_config()))


def s3_client() -> "S3Client":
    """Return a client of S3 that keeps to a delivery's time."""
    return cast("S3Client", session().create_client("s3", config=_config()))


def _config() -> Config:
    """Return a configuration with one attempt: others are made as for every receiver."""
    return Config(
        connect_timeout=3,
        read_timeout=DELIVERY_SECONDS - 3,
        retries={"mode": "standard", "total_max_attempts": 1},
        user_agent=f"tocsin/{__version__}",
        s3={"addressing_style": "path"},
    )


class SesSender(Sender):
    """:class:`~tocsin.ports.notify.Sender` of ``mailto:`` URLs; the body is a message without From.

    Only SES may say who it is from: it must be an address that SES has verified.
    """

    def __init__(self, client: "SESV2Client", mail_from: str) -> None:
        self._client = client
        self._from = mail_from

    @override
    def send(self, outgoing: Outgoing) -> Answer:
        message = f"From: Tocsin <{self._from}>\r\n".encode("ascii") + outgoing.body
        to = recipients(outgoing.url)
        return _answer(
            lambda: self._client.send_email(
                FromEmailAddress=self._from,
                Destination={"ToAddresses": to},
                Content={"Raw": {"Data": message}},
            )
        )


class S3Sender(Sender):
    """:class:`~tocsin.ports.notify.Sender` of ``s3://bucket/key`` URLs, into some buckets."""

    def __init__(self, client: "S3Client", buckets: frozenset[str]) -> None:
        self._client = client
        self._buckets = buckets

    @override
    def send(self, outgoing: Outgoing) -> Answer:
        url = urlsplit(outgoing.url)
        if url.netloc not in self._buckets:
            return Answer(0, 0, "blocked", excerpt="this deployment exports to no such bucket")
        types = [value for name, value in outgoing.headers if name == "content-type"]
        return _answer(
            lambda: self._client.put_object(
                Bucket=url.netloc,
                Key=url.path.removeprefix("/"),
                Body=outgoing.body,
                ContentType=types[0] if types else "application/octet-stream",
            )
        )


def _answer(call: Callable[[], object]) -> Answer:
    began = time.monotonic()

    def answer(status: int, error: str = "", excerpt: str = "") -> Answer:
        took_ms = round((time.monotonic() - began) * 1_000)
        return Answer(status, took_ms, error, excerpt=excerpt[:_EXCERPT_CHARS])

    try:
        call()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        status = 503 if code in _LATER else error.response["ResponseMetadata"]["HTTPStatusCode"]
        return answer(status, excerpt=f"{code}: {error.response['Error'].get('Message', '')}")
    except NoCredentialsError as error:
        return answer(0, "unresolved", str(error))
    except BotoCoreError as error:
        return answer(0, "timeout" if "Timeout" in type(error).__name__ else "refused")
    return answer(200)
