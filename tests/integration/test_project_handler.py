"""The deployed project function on a real DynamoDB and a real SQS."""

import copy
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fakes.events import batch
from fakes.stores import FakeClock
from functions.project import handler as deployed
from support.databases import Database
from support.waiting import until
from tocsin.adapters.sqs import SqsTails, SqsWakes, wake
from tocsin.bootstrap import project
from tocsin.domain.batch import pack
from tocsin.domain.errors import Busy
from tocsin.local.environment import Context
from tocsin.local.queue_polling import lambda_message
from tocsin.services.sealing.seal import seal_batches
from tocsin.settings import ProjectSettings

EVENTS = Path(__file__).parents[2] / "events"
SEALED = json.loads((EVENTS / "dynamodb-ledger-insert.json").read_bytes())
TAIL = json.loads((EVENTS / "sqs-tail.json").read_bytes())


@dataclass
class World:
    """The function, with its tables and its queues; time is a test's."""

    database: Database
    batches: int = 0

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self.stores, settings = self.database.stores()
        self.sqs, self.wakes_url = self.database.queue()
        _, self.tails_url = self.database.queue()
        settings = ProjectSettings(
            **settings.model_dump(),
            wakes_queue_url=self.wakes_url,
            tails_queue_url=self.tails_url,
            project_seconds=2,
            retention_days=36_500,
        )
        self.state_table = settings.state_table
        self.service = project.wire(
            settings,
            db=self.database.client,
            clock=self.clock,
            wakes=SqsWakes(self.sqs, self.wakes_url),
            tails=SqsTails(self.sqs, self.tails_url),
        )

    def seal(self, *orgs: str) -> dict[str, Any]:
        """Seal an event of each; return what the ledger's stream says."""
        records = []
        for org in orgs:
            self.batches += 1
            made = batch(org, at_ms=self.clock.ms, salt=self.batches, session_id="ses_1")
            self.stores.journal.put(made, pack(made.entries))
            seal_batches(org, [made], self.stores.ledger, self.clock)
            record = copy.deepcopy(SEALED["Records"][0])
            record["dynamodb"]["Keys"]["pk"]["S"] = f"segment#{org}"
            record["dynamodb"]["SequenceNumber"] = f"seq-{org}"
            records.append(record)
        return {"Records": records}

    def activate(self, org: str, *ids: str) -> None:
        """Let endpoints be active."""
        self.database.client.put_item(
            TableName=self.state_table,
            Item={"pk": {"S": "notified"}, "sk": {"S": org}, "endpoints": {"SS": list(ids)}},
        )

    def came(self, url: str, count: int) -> list[Any]:
        """Wait for so many messages; return what came, as Lambda is told."""
        found: list[Any] = []

        def look() -> bool:
            answer = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
            found.extend(lambda_message(each, "arn") for each in answer.get("Messages", []))
            return len(found) >= count

        until(look, f"{count} messages")
        return found

    def held(self) -> int:
        """How many tails there are, those that are still to come included."""
        answer = self.sqs.get_queue_attributes(QueueUrl=self.tails_url, AttributeNames=["All"])
        told = answer["Attributes"]
        delayed = told["ApproximateNumberOfMessagesDelayed"]
        return int(told["ApproximateNumberOfMessages"]) + int(delayed)

    def events(self, org: str) -> int:
        item = self.stores.projections.get(org, "session", "ses_1")
        return int(item["events"]) if item else 0


@pytest.fixture
def world(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World(database)
    monkeypatch.setattr(deployed, "service", lambda: made.service)
    monkeypatch.setattr(deployed.metrics, "service", "project")
    yield made


def invoke(event: Any) -> Sequence[str]:
    context: Any = Context("project", timeout_seconds=60)
    answer = deployed.handler(event, context)
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def tails(**orgs: str) -> Any:
    """Return the event of these orgs' tails, by the messages' ids."""
    [record] = TAIL["Records"]
    bodies = {id: json.dumps({"org": org}) for id, org in orgs.items()}
    return {"Records": [record | {"messageId": id, "body": body} for id, body in bodies.items()]}


def test_what_is_sealed_wakes_endpoints_at_once_and_is_projected_by_a_tail(world: World) -> None:
    world.activate("acme", "ep_1", "ep_2")
    assert invoke(world.seal("acme", "beta")) == []
    [woken] = world.came(world.wakes_url, 1)
    assert wake(woken["body"]) == ("acme", ("ep_1", "ep_2"))
    assert world.events("acme") == 0
    assert invoke({"Records": world.came(world.tails_url, 2)}) == []
    assert (world.events("acme"), world.events("beta")) == (1, 1)


def test_a_sample_of_a_tail_is_taken(world: World) -> None:
    world.seal("local")
    assert invoke(TAIL) == []
    assert world.events("local") == 1


def test_other_items_of_the_ledger_wake_nobody(world: World) -> None:
    event = copy.deepcopy(SEALED)
    event["Records"][0]["dynamodb"]["Keys"]["pk"]["S"] = "marker#acme"
    world.activate("acme", "ep_1")
    assert invoke(event) == []
    assert world.held() == 0


def test_a_run_of_the_last_second_has_the_next_one_wait(world: World) -> None:
    world.seal("acme")
    invoke(tails(one="acme"))
    world.seal("acme")
    assert invoke(tails(two="acme", three="acme")) == []
    assert (world.events("acme"), world.held()) == (1, 1)
    world.clock.ms += 1_000
    assert invoke({"Records": world.came(world.tails_url, 1)}) == []
    assert world.events("acme") == 2


@pytest.mark.parametrize("body", ["no JSON", "[]", "{}", '{"org":7}'])
def test_a_message_that_can_not_be_read_is_dropped(
    world: World, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    world.seal("acme")
    event = tails(poison="acme", good="acme")
    event["Records"][0]["body"] = body
    assert invoke(event) == []
    assert world.events("acme") == 1
    assert "a message is dropped" in caplog.text


def test_a_set_of_endpoints_that_can_not_be_read_is_told_and_the_rest_goes_on(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.activate("beta", "ep_1")
    world.database.client.put_item(
        TableName=world.state_table,
        Item={"pk": {"S": "notified"}, "sk": {"S": "acme"}, "endpoints": {"N": "7"}},
    )
    assert invoke(world.seal("acme", "beta")) == []
    assert '"BrokenOrgs":[1.0]' in capsys.readouterr().out.replace(" ", "")
    [woken] = world.came(world.wakes_url, 1)
    assert wake(woken["body"]) == ("beta", ("ep_1",))
    assert invoke({"Records": world.came(world.tails_url, 2)}) == []
    assert (world.events("acme"), world.events("beta")) == (1, 1)


def test_while_the_queue_is_away_the_stream_tries_again(world: World) -> None:
    event = world.seal("acme", "beta")
    world.sqs.delete_queue(QueueUrl=world.tails_url)
    assert invoke(event) == ["seq-acme", "seq-beta"]


def test_a_busy_org_has_another_tail_and_if_there_is_none_its_message_again(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.seal("acme", "beta")
    projections: Any = world.service.follow._projector._projections
    claim = projections.claim

    def busy(org: str, *rest: Any) -> bool:
        if org == "acme":
            raise Busy("the store is throttling")
        return bool(claim(org, *rest))

    monkeypatch.setattr(projections, "claim", busy)
    assert invoke(tails(one="acme", two="beta", three="acme")) == []
    assert (world.events("acme"), world.events("beta"), world.held()) == (0, 1, 1)
    assert '"WaitingOrgs":[1.0]' in capsys.readouterr().out.replace(" ", "")
    world.clock.ms += 60_000
    world.sqs.delete_queue(QueueUrl=world.tails_url)
    assert invoke(tails(one="acme", two="beta", three="acme")) == ["one", "three"]
