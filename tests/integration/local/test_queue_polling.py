"""The local queue on a real SQS: what is due reaches the function until it has done it."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

import boto3
import pytest
from botocore.config import Config
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from support.asgi import served
from support.databases import Database
from support.waiting import HANG_SECONDS, until
from tocsin.adapters.sqs import SqsTimers
from tocsin.local import queues
from tocsin.local.addresses import LOOPBACK, reserve
from tocsin.local.functions import Receives
from tocsin.local.invoke import Functions
from tocsin.local.queue_polling import WAIT_SECONDS, QueuePoller, failures

FAILED = JSONResponse({}, headers={"X-Amz-Function-Error": "Unhandled"})
DONE = JSONResponse({"batchItemFailures": []})
AT_ONCE = Receives(
    "expiry", batch_size=10, visibility_seconds=0
)  # what failed comes again without a wait


@dataclass
class World:
    """A queue of its own, and a function that answers as the test says."""

    database: Database
    answer: Callable[[Any], Response] = lambda event: DONE
    events: list[Any] = field(default_factory=list)
    receives: Receives = AT_ONCE

    def __post_init__(self) -> None:
        self.sqs, self.url = self.database.queue(self.receives)

    def set(self, *ids: str) -> None:
        for id in ids:
            SqsTimers(self.sqs, self.url).set("acme", id, 0, 0)

    def seen(self) -> list[str]:
        bodies = [record["body"] for event in self.events for record in event["Records"]]
        return [json.loads(body)["approval"] for body in bodies]

    def held(self) -> int:
        return sum(
            self.count(f"ApproximateNumberOfMessages{which}") for which in ("", "NotVisible")
        )

    def count(self, name: str) -> int:
        answer = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])
        told: Mapping[str, str] = answer["Attributes"]  # type: ignore[assignment]
        return int(told[name])

    async def _invoke(self, request: Request) -> Response:
        self.events.append(await request.json())
        return self.answer(self.events[-1])

    @contextmanager
    def polling(self, host: str = "") -> Iterator[QueuePoller]:
        """Poll in a thread while the context lasts."""
        route = "/2015-03-31/functions/{name}/invocations"
        app = Starlette(routes=[Route(route, self._invoke, methods=["POST"])])
        with served(app) as port:
            functions = Functions({"expire": host or f"http://{LOOPBACK}:{port}"})
            poller = QueuePoller(self.sqs, self.url, "expire", self.receives, functions)
            thread = Thread(target=poller.run)
            thread.start()
            try:
                yield poller
            finally:
                poller.finish()
                thread.join(HANG_SECONDS)
                functions.close()


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def test_what_is_due_reaches_the_function_as_a_lambda_event_and_is_deleted(world: World) -> None:
    with world.polling() as poller:
        world.set("apr_1", "apr_2")
        until(lambda: len(set(world.seen())) == 2, "seen")
        until(lambda: world.held() == 0, "deleted")
        assert poller.reading
    [record, *_] = [record for event in world.events for record in event["Records"]]
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"].endswith(world.url.rpartition("/")[2])
    assert record["attributes"]["ApproximateReceiveCount"] == "1"


def test_what_failed_comes_again_and_the_others_do_not(world: World) -> None:
    def fail_the_first_time(event: Any) -> Response:
        if world.seen().count("bad") > 1:
            return DONE
        failed = [each["messageId"] for each in event["Records"] if "bad" in each["body"]]
        return JSONResponse({"batchItemFailures": [{"itemIdentifier": id} for id in failed]})

    world.answer = fail_the_first_time
    world.set("good", "bad")
    with world.polling():
        until(lambda: world.held() == 0, "deleted")
    assert world.seen().count("bad") == 2
    assert world.seen().count("good") == 1


def test_all_of_an_invocation_that_failed_come_again(world: World) -> None:
    world.answer = lambda event: DONE if len(world.events) > 2 else FAILED
    world.set("apr_1")
    with world.polling():
        until(lambda: world.held() == 0, "deleted")
    assert world.seen() == 3 * ["apr_1"]


def test_a_host_that_is_not_there_loses_nothing(world: World) -> None:
    world.set("apr_1")
    with reserve(0) as closed:
        nowhere = f"http://{LOOPBACK}:{closed.getsockname()[1]}"
        with world.polling(nowhere) as poller:
            until(lambda: poller.reading, "read")
    assert world.held() == 1
    with world.polling():
        until(lambda: world.held() == 0, "deleted")


def test_what_a_run_had_taken_when_it_ended_comes_again_soon(database: Database) -> None:
    """As its last look may, which nobody waits for."""
    world = World(database, receives=Receives("tails", batch_size=10, visibility_seconds=43_200))
    world.set("apr_1")
    taken = world.sqs.receive_message(QueueUrl=world.url, WaitTimeSeconds=WAIT_SECONDS)
    assert len(taken["Messages"]) == 1
    with world.polling():
        until(lambda: world.seen() == ["apr_1"], "seen")


def test_an_invocation_that_takes_longer_is_not_repeated(database: Database) -> None:
    """Though its message may be received again, by then."""
    world = World(database)  # whose messages are invisible for no time at all
    held = Event()
    world.answer = lambda event: DONE if held.wait(HANG_SECONDS) else FAILED
    world.set("apr_1")
    with world.polling():
        until(lambda: bool(world.events), "invoked")
        until(lambda: world.count("ApproximateNumberOfMessages") == 1, "visible again")
        held.set()
        until(lambda: world.held() == 0, "deleted")
    assert world.seen() == ["apr_1"]


def test_a_queue_that_is_not_there_is_waited_for(world: World) -> None:
    world.sqs.delete_queue(QueueUrl=world.url)
    with world.polling() as poller:
        until(lambda: poller._trouble, "noticed")
        assert not poller.reading
        queues.create(world.sqs, world.url, AT_ONCE)
        world.set("apr_1")
        until(lambda: world.seen() == ["apr_1"], "seen")
        assert poller.reading


def test_a_queue_is_found_again_with_its_messages(world: World) -> None:
    world.set("apr_1")
    queues.create(world.sqs, world.url, AT_ONCE)
    assert world.held() == 1


def test_nobody_waits_for_a_look_at_the_end(world: World) -> None:
    """It is the process' end that ends it."""
    config = Config(retries={"total_max_attempts": 1}, read_timeout=HANG_SECONDS)
    with reserve(0) as silent:
        silent.listen()  # and answer nothing
        url = f"http://{LOOPBACK}:{silent.getsockname()[1]}"
        client = boto3.client(
            "sqs",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="t",
            aws_secret_access_key="t",  # noqa: S106
            config=config,
        )
        poller = QueuePoller(client, f"{url}/0/q", "expire", AT_ONCE, Functions({}))
        Thread(target=poller.run, daemon=True).start()
        asked, _ = silent.accept()
        with asked:
            poller.finish()  # returns


@pytest.mark.parametrize(
    ("payload", "failed"),
    [
        (b"", ""),
        (b"null", ""),
        (b"{}", ""),
        (b'{"batchItemFailures":null}', ""),
        (b'{"batchItemFailures":[]}', ""),
        (b'{"batchItemFailures":[{"itemIdentifier":"a"}]}', "a"),
        (b'{"batchItemFailures":[{"itemIdentifier":""}]}', "ab"),
        (b'{"batchItemFailures":[{"itemIdentifier":null}]}', "ab"),
        (b'{"batchItemFailures":[{"id":"a"}]}', "ab"),
        (b'{"batchItemFailures":[{"itemIdentifier":"other"}]}', "ab"),
        (b"no JSON", "ab"),
        (b'"text"', "ab"),
    ],
)
def test_an_answer_is_read_as_lambda_reads_it(payload: bytes, failed: str) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html"""
    assert failures(payload, {"a", "b"}) == set(failed)
