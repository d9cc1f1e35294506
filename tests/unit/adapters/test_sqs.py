"""How long a message is delayed, what it says, and which errors are worth another try."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from tocsin.adapters.sqs import (
    MAX_DELAY_SECONDS,
    SqsTails,
    SqsTimers,
    SqsWakes,
    Wake,
    Woken,
    delay_seconds,
    tail,
    wake,
    woken,
)
from tocsin.domain.errors import Busy, Malformed
from tocsin.domain.limits import MAX_ENDPOINTS

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


@pytest.mark.parametrize("read", [wake, tail])
@pytest.mark.parametrize(
    "body",
    [
        *("", "no JSON", "[]", "7", "null", "{}", '{"endpoint":"ep_1"}', '{"org":""}'),
        *('{"org":7,"endpoint":"ep_1"}', '{"org":null,"endpoint":"ep_1"}', '"org endpoint"'),
    ],
)
def test_what_is_no_wake_or_tail_is_refused(read: Callable[[str], object], body: str) -> None:
    with pytest.raises(Malformed, match=f"no {read.__name__}"):
        read(body)


@pytest.mark.parametrize(
    "endpoints", ["null", "[]", '""', '"ep_1"', "7", '["ep_1",7]', '[""]', '{"ep_1":1}', "[[]]"]
)
def test_a_wake_that_names_no_endpoints_is_refused(endpoints: str) -> None:
    with pytest.raises(Malformed, match="no wake"):
        wake(f'{{"org":"acme","endpoints":{endpoints}}}')


def test_a_wake_names_endpoints_and_a_tail_an_org() -> None:
    assert wake('{"org":"acme","endpoints":["ep_2","ep_1","ep_2"]}') == ("acme", ("ep_2", "ep_1"))
    # Of a version that sent a message for each:
    assert wake('{"org":"acme","endpoint":"ep_1"}') == Wake("acme", ("ep_1",))
    assert tail('{"org":"acme"}') == "acme"
    with pytest.raises(Malformed, match="no wake"):
        wake('{"org":"acme"}')


class Queue:
    """An SQS client that fails, or remembers what it was asked for."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.refuses = 0  # in how many batches it takes all entries but two
        self.sent: list[dict[str, object]] = []

    def send_message(self, **message: object) -> None:
        if self.error:
            raise self.error
        self.sent.append(message)

    def send_message_batch(self, QueueUrl: str, Entries: list[Any]) -> dict[str, object]:
        if self.error:
            raise self.error
        self.sent += [{"QueueUrl": QueueUrl, **entry} for entry in Entries]
        refused = [entry for entry in Entries if self.refuses > 0]
        self.refuses -= 1
        return {"Failed": [{"Id": entry["Id"], "Code": "InternalError"} for entry in refused[:2]]}


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


IDS = [f"ep_{n:04}" for n in range(12 * MAX_ENDPOINTS - 1)]


def endpoints_of(sent: list[dict[str, object]]) -> list[str]:
    return [id for each in sent for id in wake(str(each["MessageBody"])).endpoint_ids]


def test_all_endpoints_that_an_org_may_have_are_woken_by_one_message() -> None:
    queue = Queue()
    SqsWakes(queue, "fast").wake("acme", IDS[:MAX_ENDPOINTS])  # type: ignore[arg-type]
    [sent] = queue.sent
    assert endpoints_of([sent]) == IDS[:MAX_ENDPOINTS]
    assert len(str(sent["MessageBody"]).encode()) < 64 * 1024, "what SQS bills as one request"


def test_wakes_are_sent_ten_at_a_time_in_the_org_s_group() -> None:
    queue = Queue()
    SqsWakes(queue, "fast", "slow").wake("acme", IDS, delay_seconds=901)  # type: ignore[arg-type]
    assert endpoints_of(queue.sent) == IDS
    assert [each["Id"] for each in queue.sent] == [*map(str, range(10)), "0", "1"]
    [told] = {(e["QueueUrl"], e["MessageGroupId"], e["DelaySeconds"]) for e in queue.sent}
    assert told == ("fast", "acme", MAX_DELAY_SECONDS)


def test_slow_ones_have_a_queue_of_their_own_where_there_is_one() -> None:
    queue = Queue()
    SqsWakes(queue, "fast", "slow").wake("acme", ["ep_1"], slow=True)  # type: ignore[arg-type]
    SqsWakes(queue, "fast").wake("acme", ["ep_1"], slow=True)  # type: ignore[arg-type]
    assert [each["QueueUrl"] for each in queue.sent] == ["slow", "fast"]


def test_what_a_batch_did_not_take_is_sent_once_more() -> None:
    queue = Queue()
    queue.refuses = 1
    SqsWakes(queue, "fast").wake("acme", IDS)  # type: ignore[arg-type]
    ten, two = IDS[: 10 * MAX_ENDPOINTS], IDS[: 2 * MAX_ENDPOINTS]
    assert endpoints_of(queue.sent) == [*ten, *two, *IDS[len(ten) :]]


def test_what_is_not_taken_twice_is_told() -> None:
    queue = Queue()
    queue.refuses = 2
    with pytest.raises(Busy, match="2 wakes can't be set \\(InternalError\\)"):
        SqsWakes(queue, "fast").wake("acme", IDS)  # type: ignore[arg-type]
    assert endpoints_of(queue.sent) == [*IDS[: 10 * MAX_ENDPOINTS], *IDS[: 2 * MAX_ENDPOINTS]]


@pytest.mark.parametrize("error", [answer("RequestThrottled", 400), answer("InternalError", 500)])
def test_wakes_and_tails_may_be_busy(error: ClientError) -> None:
    with pytest.raises(Busy, match="wake"):
        SqsWakes(Queue(error), "fast").wake("acme", IDS)  # type: ignore[arg-type]
    with pytest.raises(Busy, match="tail"):
        SqsTails(Queue(error), "tails").set("acme", 30)  # type: ignore[arg-type]


def test_a_tail_is_a_delayed_message_in_the_org_s_group() -> None:
    queue = Queue()
    SqsTails(queue, "tails").set("acme", 30)  # type: ignore[arg-type]
    [sent] = queue.sent
    assert (sent["QueueUrl"], sent["MessageGroupId"], sent["DelaySeconds"]) == ("tails", "acme", 30)
    assert tail(str(sent["MessageBody"])) == "acme"
