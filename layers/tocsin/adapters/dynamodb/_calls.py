"""The DynamoDB client, and its errors in Tocsin's words."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import local
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
)

from tocsin.adapters._aws import session, soon
from tocsin.domain.errors import Busy, IntegrityError, OutcomeUnknown

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import QueryInputTypeDef

__all__ = [
    "batch_get",
    "calls",
    "cancellations",
    "client",
    "condition_failed",
    "partition",
    "query",
    "transact",
    "watched",
    "whole",
]

_MAX_ROUNDS = 10

_THROTTLES = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "ThrottlingError",  # as a transaction's cancellation reason
        "ProvisionedThroughputExceeded",
        "TransactionInProgressException",
        "TransactionConflictException",  # of a single write: a transaction has the item
    }
)
_SERVER_ERRORS = frozenset({"InternalServerError", "ServiceUnavailable", "InternalFailure"})
# A table that is not there, or may not be used (any more): nobody's data is at fault.
_NOT_OURS = frozenset(
    {
        "ResourceNotFoundException",
        "AccessDeniedException",
        "UnrecognizedClientException",
        "ExpiredTokenException",
    }
)
_NEVER_SENT = (ConnectTimeoutError, EndpointConnectionError)


class _Attempts(local):
    """What is known of a call's attempts, which the SDK makes in the caller's thread."""

    repeated = True  # whether the SDK may make more than one
    in_doubt = False  # whether one of them may have been carried out though it did not succeed


_attempts = _Attempts()


def client() -> "DynamoDBClient":
    """Return a client that gives up within a few seconds, so that a caller can be told."""
    # With a user agent that is given, and without validation, which mypy does, a call takes three
    # fifths of the time (430 µs, then 253).
    config = soon(max_pool_connections=32, parameter_validation=False)
    # boto3's own session would load its resources and S3 transfers: 50 ms more of a cold start.
    client = session().create_client("dynamodb", config=config)
    return cast("DynamoDBClient", client)


def watched(client: "DynamoDBClient") -> "DynamoDBClient":
    """Return the client, whose every attempt :func:`calls` then knows of."""
    client.meta.events.register_first("needs-retry.dynamodb", _note, unique_id="tocsin-attempts")
    return client


def _note(
    response: tuple[Any, Any] | None,
    caught_exception: Exception | None,
    operation: Any,
    **_: object,
) -> None:
    """Take note of an attempt before the SDK decides on the next; raise its error to end it."""
    if caught_exception is not None:
        _attempts.in_doubt |= not isinstance(caught_exception, _NEVER_SENT)
        if not _attempts.repeated:
            raise caught_exception
    elif response is not None:
        http, parsed = response
        _attempts.in_doubt |= http.status_code >= 500
        if http.status_code >= 300 and not _attempts.repeated:
            raise ClientError(parsed, operation.name)


@contextmanager
def calls(*, repeated: bool = True) -> Iterator[None]:
    """Turn the SDK's transient errors into :class:`Busy` or :class:`OutcomeUnknown`.

    Busy says that no attempt was carried out, which the last one's error alone does not tell.
    ``repeated=False`` keeps the SDK from making more than one, on a client that is watched.
    """
    _attempts.in_doubt, _attempts.repeated = False, repeated
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        throttled = code in _THROTTLES or _THROTTLES.intersection(cancellations(error))
        if throttled and not _attempts.in_doubt:
            raise Busy("the store is throttling: send the same again a little later") from error
        failed = error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500
        if throttled or code in _SERVER_ERRORS or failed:
            raise OutcomeUnknown("the store failed: send the same again") from error
        if code in _NOT_OURS and not _attempts.in_doubt:
            raise Busy(f"the store refuses ({code}): its table or the rights to it") from error
        raise
    except BotoCoreError as error:
        if isinstance(error, _NEVER_SENT) and not _attempts.in_doubt:
            raise Busy("the store is out of reach: send the same again a little later") from error
        raise OutcomeUnknown("the store did not answer: send the same again") from error


@contextmanager
def whole(org: str, what: str, seq: int = 1) -> Iterator[None]:
    """Turn what reading a stored item's attributes raises into IntegrityError, at ``seq``."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise IntegrityError(org, seq, f"{what} is malformed: {error!r}") from error


def condition_failed(error: ClientError) -> bool:
    """Whether a single write (in no transaction) did not happen because its condition was false."""
    return error.response["Error"]["Code"] == "ConditionalCheckFailedException"


def cancellations(error: ClientError) -> list[str]:
    """Return the reason of each item of a cancelled transaction ("None" where there is none)."""
    reasons: list[Any] = error.response.get("CancellationReasons", [])
    return [reason.get("Code", "None") for reason in reasons]


def transact(client: "DynamoDBClient", items: Sequence[Any]) -> bool:
    """Write items in one transaction; False: a condition does not hold, or others write them now.

    Then nothing was written; but an attempt before, whose answer was lost, may have written it.
    """
    try:
        with calls():
            client.transact_write_items(TransactItems=items)
    except ClientError as error:
        if {"ConditionalCheckFailed", "TransactionConflict"}.intersection(cancellations(error)):
            return False
        raise
    return True


def query(
    client: "DynamoDBClient", limit: int | None = None, **request: Any
) -> Iterator[dict[str, Any]]:
    """Yield the items of a query over all its pages, up to ``limit``."""
    parameters: QueryInputTypeDef = request  # type: ignore[assignment]
    left = limit
    while left is None or left > 0:
        if left is not None:
            parameters["Limit"] = left
        with calls():
            page = client.query(**parameters)
        yield from page["Items"]
        if left is not None:
            left -= len(page["Items"])
        if "LastEvaluatedKey" not in page:
            return
        parameters["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def partition(client: "DynamoDBClient", table: str, pk: str) -> Iterator[dict[str, Any]]:
    """Yield all items of a partition, page by page, consistently."""
    return query(
        client,
        TableName=table,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": pk}},
        ConsistentRead=True,
    )


def batch_get(
    client: "DynamoDBClient", table: str, keys: Sequence[Mapping[str, Any]], size: int
) -> Iterator[dict[str, Any]]:
    """Yield those of the items that exist, ``size`` keys a call (100 at most), consistently.

    Raises:
        Busy: the table keeps leaving keys unprocessed.
    """
    for start in range(0, len(keys), size):
        wanted: Any = keys[start : start + size]
        for _ in range(_MAX_ROUNDS):
            with calls():
                answer = client.batch_get_item(
                    RequestItems={table: {"Keys": wanted, "ConsistentRead": True}}
                )
            yield from answer["Responses"].get(table, [])
            left: Any = answer.get("UnprocessedKeys", {})
            if table not in left:
                break
            wanted = left[table]["Keys"]
        else:
            raise Busy("the store is throttling: ask again a little later")
