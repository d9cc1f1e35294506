"""How long a message is delayed, what it says, and which errors are worth another try."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from tocsin.adapters.sqs import MAX_DELAY_SECONDS, SqsTimers, Woken, delay_seconds, woken
from tocsin.domain.errors import Busy, Malformed

NOW_MS = 1_774_000_000_000


@pytest.mark.parametrize(
    ("in_ms", "seconds"),
    [
        (-5_000, 0),
        (0, 0),
        (1, 1),
        (999, 1),
        (1_000, 1),
        (1_001, 2),
        (899_001, 900),
        (900_000, 900),
        (900_001, MAX_DELAY_SECONDS),
        (7 * 86_400_000, MAX_DELAY_SECONDS),
    ],
)
def test_a_message_is_never_early_and_less_than_a_second_late(in_ms: int, seconds: int) -> None:
    assert delay_seconds(NOW_MS + in_ms, NOW_MS) == seconds


@pytest.mark.parametrize(
    "body",
    [
        *("", "no JSON", "[]", "7", "null", "{}"),
        *('{"org":"acme"}', '{"org":7,"approval":"apr_1"}'),
        *('{"org":"","approval":"apr_1"}', '{"org":"acme","approval":null}'),
    ],
)
def test_what_is_no_timer_is_refused(body: str) -> None:
    with pytest.raises(Malformed, match="no timer"):
        woken(body)


class Queue:
    """An SQS client that fails, or remembers what it was asked for."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.sent: list[dict[str, object]] = []

    def send_message(self, **message: object) -> None:
        if self.error:
            raise self.error
        self.sent.append(message)


def answer(code: str, status: int) -> ClientError:
    response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "SendMessage")  # type: ignore[arg-type]


def test_a_timer_is_a_message_that_says_what_to_look_at() -> None:
    queue = Queue()
    SqsTimers(queue, "url").set("acme", "apr_1", NOW_MS + 1_500, NOW_MS)  # type: ignore[arg-type]
    [sent] = queue.sent
    assert (sent["QueueUrl"], sent["DelaySeconds"]) == ("url", 2)
    assert woken(str(sent["MessageBody"])) == Woken("acme", "apr_1")


@pytest.mark.parametrize(
    "error",
    [
        answer("ThrottlingException", 400),
        answer("AWS.SimpleQueueService.NonExistentQueue", 400),
        answer("AccessDenied", 403),
        answer("InternalFailure", 500),
        EndpointConnectionError(endpoint_url="x"),
        ReadTimeoutError(endpoint_url="x"),
    ],
    ids=str,
)
def test_what_may_pass_is_busy(error: Exception) -> None:
    with pytest.raises(Busy):
        SqsTimers(Queue(error), "url").set("acme", "apr_1", 1, 0)  # type: ignore[arg-type]


def test_a_request_that_sqs_does_not_understand_is_our_fault() -> None:
    refused = answer("InvalidParameterValue", 400)
    with pytest.raises(ClientError):
        SqsTimers(Queue(refused), "url").set("acme", "apr_1", 1, 0)  # type: ignore[arg-type]
