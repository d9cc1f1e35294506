"""Calls to SQS, and what their errors mean."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final, cast

import orjson

from tocsin.adapters._aws import busy, session, soon
from tocsin.domain.errors import Malformed

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

__all__ = ["MAX_DELAY_SECONDS", "calls", "client", "delayed", "names_in"]

MAX_DELAY_SECONDS: Final = 900
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html"""

# Throttled; or the queue is not there, or may not be used (any more). What else SQS refuses with
# 4xx is a request that it does not understand.
_TRANSIENT: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AWS.SimpleQueueService.NonExistentQueue",
        "ExpiredToken",
        "ExpiredTokenException",
        "QueueDoesNotExist",
        "RequestThrottled",
        "ThrottlingException",
        "UnrecognizedClientException",
    }
)


def client() -> "SQSClient":
    """Return a client that gives up within a few seconds, like that of DynamoDB."""
    return cast("SQSClient", session().create_client("sqs", config=soon()))


def delayed(seconds: int) -> int:
    """Return for how long a message that is to come in so many seconds is delayed."""
    return min(MAX_DELAY_SECONDS, max(0, seconds))


def names_in(body: str, what: str, *names: str) -> tuple[str, ...]:
    """Read what a message names.

    Raises:
        Malformed: it is no such message; another try would not change that.
    """
    try:
        told = orjson.loads(body)
        found = tuple(told[name] for name in names)
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise Malformed(f"the message is no {what}: {error!r}") from error
    if not all(isinstance(each, str) and each for each in found):
        raise Malformed(f"the message is no {what}: it names no {' or no '.join(names)}")
    return found


def calls(what: str) -> AbstractContextManager[None]:
    """Turn the SDK's transient errors into Busy; a message too many does no harm."""
    refused = f"the {what} can't be set ({{code}}): send the same again"
    return busy(refused, f"the {what}s are out of reach: send the same again", _TRANSIENT)
