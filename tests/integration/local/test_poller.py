"""The poller on a real stream: what the journal takes reaches the function, whatever fails."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import boto3
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from support.asgi import served
from support.databases import Database
from support.waiting import HANG_SECONDS, until
from tocsin.domain.batch import Batch, pack
from tocsin.domain.ids import new_batch_id
from tocsin.local.addresses import LOOPBACK, reserve
from tocsin.local.functions import FUNCTIONS, Every, MappingSettings
from tocsin.local.invocations import Record
from tocsin.local.invoke import Functions
from tocsin.local.poller import to_queue
from tocsin.local.polling import Poller
from tocsin.local.reader import Checkpoint, StreamReader
from tocsin.local.schedule import Schedule

FAILED = JSONResponse({}, headers={"X-Amz-Function-Error": "Unhandled"})
DONE = JSONResponse({"batchItemFailures": []})


def numbers(event: Any) -> list[str]:
    """What the batches of an invocation hold."""
    return [record["dynamodb"]["NewImage"]["key_id"]["S"] for record in event["Records"]]


@dataclass
class Host:
    """A function that answers as the test says and remembers what it was given."""

    answer: Callable[[Any], Response] = lambda event: DONE
    events: list[Any] = field(default_factory=list)

    @property
    def app(self) -> Starlette:
        route = "/2015-03-31/functions/{name}/invocations"
        return Starlette(routes=[Route(route, self._invoke, methods=["POST"])])

    @property
    def seen(self) -> list[list[str]]:
        return [numbers(event) for event in self.events]

    async def _invoke(self, request: Request) -> Response:
        event = await request.json()
        self.events.append(event)
        return self.answer(event)


@dataclass
class World:
    """A journal of its own, and where its poller keeps its checkpoint."""

    database: Database
    folder: Path
    host: Host = field(default_factory=Host)

    def __post_init__(self) -> None:
        self.stores, self.settings = self.database.stores()
        self.aws = {
            "endpoint_url": self.database.env["AWS_ENDPOINT_URL"],
            "region_name": "us-east-1",
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
        }

    def put(self, *keys: str) -> None:
        """Accept one batch for each key."""
        for key in keys:
            batch_id = new_batch_id(1_774_000_000_000, uuid4().bytes)
            entries = (b"{}",)
            self.stores.journal.put(
                Batch("local", batch_id, entries, key, 1_774_000_000_000), pack(entries)
            )

    @contextmanager
    def polling(
        self,
        settings: MappingSettings | None = None,
        *,
        host: str = "",
        queue_url: str = "",
        drain_seconds: float = 10,
        followers: Sequence[Poller] = (),
    ) -> Iterator[Poller]:
        """Poll in a thread while the context lasts, then drain."""
        checkpoint = Checkpoint(self.folder / "checkpoint.json")
        reader = StreamReader(
            boto3.client("dynamodb", **self.aws),  # type: ignore[call-overload]
            boto3.client("dynamodbstreams", **self.aws),  # type: ignore[call-overload]
            self.settings.journal_table,
            checkpoint,
        )
        with served(self.host.app) as port:
            functions = Functions({"fanout": host or f"http://{LOOPBACK}:{port}"})
            poller = Poller(
                settings or MappingSettings(),
                reader,
                checkpoint,
                functions,
                to_queue(queue_url) if queue_url else None,
                drain_seconds,
                followers=followers,
            )
            thread = Thread(target=poller.run)
            thread.start()
            try:
                yield poller
            finally:
                poller.stop()
                thread.join(30)
                functions.close()

    def until_seen(self, *keys: str) -> None:
        """Wait until the last invocation ended with the last of the keys."""
        until(lambda: bool(self.host.seen) and self.host.seen[-1][-1] == keys[-1], "seen")


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return World(database, tmp_path)


def test_batches_reach_the_function_as_lambda_events(world: World) -> None:
    with world.polling() as poller:
        world.put("a", "b")
        world.until_seen("b")
        assert poller.reading

    records = [record for event in world.host.events for record in event["Records"]]
    assert [record["dynamodb"]["NewImage"]["key_id"]["S"] for record in records] == ["a", "b"]
    for record in records:
        assert record["eventName"] == "INSERT"
        assert record["eventSource"] == "aws:dynamodb"
        assert world.settings.journal_table in record["eventSourceARN"]
        assert isinstance(record["dynamodb"]["ApproximateCreationDateTime"], float)
        assert record["dynamodb"]["Keys"].keys() == {"org", "batch"}
        assert b64decode(record["dynamodb"]["NewImage"]["entries"]["B"]) == pack((b"{}",))


def test_another_poller_goes_on_where_the_last_one_stopped(world: World) -> None:
    with world.polling():
        world.put("a")
        world.until_seen("a")
    world.put("b")
    with world.polling():
        world.until_seen("b")

    assert [key for batch in world.host.seen for key in batch] == ["a", "b"]


def test_what_is_there_is_delivered_before_the_end(world: World) -> None:
    world.put("a", "b", "c")

    with world.polling() as poller:
        poller.stop()

    assert [key for batch in world.host.seen for key in batch] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "checkpoint",
    [
        lambda arn: {"stream_arn": arn, "sequence_number": "1" * 30},
        lambda arn: {"stream_arn": "another stream", "sequence_number": "1" * 30},
    ],
)
def test_a_place_that_is_no_longer_known_means_the_beginning(
    world: World, checkpoint: Callable[[str], object]
) -> None:
    world.put("a")
    table = world.database.server.client().describe_table(TableName=world.settings.journal_table)
    saved = json.dumps(checkpoint(table["Table"]["LatestStreamArn"]))
    (world.folder / "checkpoint.json").write_text(saved)

    with world.polling():
        world.until_seen("a")


def test_a_partial_failure_is_sent_again_from_the_lowest_failure(world: World) -> None:
    def fail_b_once(event: Any) -> Response:
        if len(world.host.events) > 1:
            return DONE
        failed = [
            {"itemIdentifier": record["dynamodb"]["SequenceNumber"]}
            for record in event["Records"]
            if numbers({"Records": [record]}) == ["b"]
        ]
        return JSONResponse({"batchItemFailures": failed})

    world.host.answer = fail_b_once
    world.put("a", "b", "c")

    with world.polling():
        until(lambda: len(world.host.events) == 2, "sent again")

    assert world.host.seen == [["a", "b", "c"], ["b", "c"]]


def test_a_function_that_fails_for_a_while_loses_nothing(world: World) -> None:
    world.host.answer = lambda event: DONE if len(world.host.events) > 3 else FAILED
    world.put("a")

    with world.polling():
        until(lambda: len(world.host.events) == 4, "sent again")


def test_two_functions_on_a_stream_get_all_of_it_and_neither_holds_up_the_other(
    world: World, tmp_path: Path
) -> None:
    failing = copy(world)
    failing.folder = tmp_path / "failing"
    failing.folder.mkdir()
    failing.host = Host(answer=lambda event: FAILED if len(failing.host.events) < 4 else DONE)
    with world.polling(), failing.polling():
        world.put("a", "b")
        world.until_seen("b")
        until(lambda: len(failing.host.events) >= 4, "sent again")

    assert [key for batch in world.host.seen for key in batch] == ["a", "b"]
    assert {key for batch in failing.host.seen for key in batch} == {"a", "b"}


def test_a_host_that_is_not_there_is_waited_for(world: World) -> None:
    world.put("a")
    with reserve(0) as closed:
        nowhere = f"http://{LOOPBACK}:{closed.getsockname()[1]}"
        with world.polling(host=nowhere, drain_seconds=0) as poller:
            assert poller.began.wait(HANG_SECONDS)
    assert not (world.folder / "checkpoint.json").exists()

    with world.polling():
        world.until_seen("a")


def test_what_is_given_up_is_told_to_the_on_failure_queue(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in world.database.env.items():
        monkeypatch.setenv(name, value)
    queue = boto3.client("sqs", **world.aws)  # type: ignore[call-overload]
    url = queue.create_queue(QueueName=f"failed-{uuid4().hex}")["QueueUrl"]
    mapping = MappingSettings(bisect_batch_on_function_error=True, maximum_retry_attempts=1)
    world.host.answer = lambda event: FAILED if "bad" in numbers(event) else DONE
    world.put("a", "bad", "b")

    with world.polling(mapping, queue_url=url):
        world.until_seen("b")
        received = queue.receive_message(QueueUrl=url, WaitTimeSeconds=10)["Messages"]

    (message,) = (json.loads(each["Body"]) for each in received)
    (bad,) = (
        record["dynamodb"]["SequenceNumber"]
        for record in world.host.events[0]["Records"]
        if numbers({"Records": [record]}) == ["bad"]
    )
    assert message["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert message["DDBStreamBatchInfo"]["startSequenceNumber"] == bad
    assert message["DDBStreamBatchInfo"]["endSequenceNumber"] == bad


class Looked(StreamReader):
    """A stream that holds nothing; notes when it was looked at."""

    def __init__(self) -> None:
        self.stream_arn = ""
        self.looks: list[int] = []  # of the leader, at each of its own
        self.leader: list[int] = []

    def read(self) -> Sequence[Record]:
        self.looks.append(len(self.leader))
        return ()


def test_who_follows_looks_seldom_and_at_once_when_the_first_has_delivered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Looked()
    follower = Poller(MappingSettings(), stream, Checkpoint(world.folder / "f.json"), Functions({}))
    with world.polling(followers=[follower]) as leader:
        until(lambda: leader.reading, "read")
        read = leader._reader.read

        def counted() -> Sequence[Record]:
            stream.leader.append(1)
            return read()

        monkeypatch.setattr(leader._reader, "read", counted)
        thread = Thread(target=follower.run)
        thread.start()
        until(lambda: len(stream.leader) > 60, "idle")
        idle = len(stream.looks)
        world.put("a")
        world.until_seen("a")
        until(lambda: len(stream.looks) >= idle + 5, "looked often again")
        follower.stop()
        thread.join(HANG_SECONDS)

    assert 1 < idle < 40
    assert stream.looks[idle + 4] - stream.looks[idle] < 8  # a second would be 10 at least


def test_the_sweeper_looks_at_everything_at_the_start_until_that_works() -> None:
    host = Host(answer=lambda event: FAILED if len(host.events) < 3 else DONE)
    every = FUNCTIONS["sweeper"].every
    assert isinstance(every, Every)
    often = replace(every, seconds=0.01)
    begin, stopping = Event(), Event()
    with served(host.app) as port:
        functions = Functions({"sweeper": f"http://{LOOPBACK}:{port}"})
        schedule = Schedule(
            functions, "sweeper", often, begin=begin, stopping=stopping, retry_seconds=0.01
        )
        thread = Thread(target=schedule.run)
        thread.start()
        begin.set()
        until(lambda: len(host.events) >= 5, "invoked again and again")
        stopping.set()
        thread.join(10)
        functions.close()

    at_start = json.loads(every.at_start_here)
    assert host.events[:5] == [at_start, at_start, at_start, {}, {}]
