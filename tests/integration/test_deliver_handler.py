"""The deployed deliver function on a real DynamoDB, a real SQS and a real receiver."""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from fakes.events import batch
from fakes.stores import FakeClock
from functions.deliver import handler as deployed
from support.context import Context
from support.databases import Database
from support.receiver import Receiver, Reply, receiving
from support.waiting import until
from tocsin.adapters.sqs import SqsWakes, wake
from tocsin.bootstrap import deliver
from tocsin.domain.approvals import Call
from tocsin.domain.batch import Batch, pack
from tocsin.domain.deliveries import Progress
from tocsin.domain.endpoints import Endpoint, Status, Wanted
from tocsin.domain.keys import ApiKey, Scope, mint
from tocsin.domain.org import Org, OrgStatus
from tocsin.services.approvals.asking import Ask, Asking
from tocsin.services.approvals.steps import Steps
from tocsin.services.intake.stamp import new_id, own_batch
from tocsin.services.sealing.seal import seal_batches
from tocsin.settings import DeliverSettings

SAMPLE = json.loads((Path(__file__).parents[2] / "events" / "sqs-wake.json").read_bytes())
ID = "ep_" + "0" * 26
QUEUE = "tocsin-dev-data-Wakes"
URL = "https://tocsin.example.com"


@dataclass
class World:
    """The function, with its tables, its queues and a receiver; time is a test's."""

    database: Database
    receiver: Receiver
    batches: int = 0

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self.stores, stores = self.database.stores()
        self.sqs, self.wakes_url = self.database.queue()
        _, self.slow_url = self.database.queue()
        self.settings = DeliverSettings(
            **stores.model_dump(),
            wakes_queue_url=self.wakes_url,
            slow_wakes_queue_url=self.slow_url,
            loopback_receivers=True,
            public_url=URL,
            retention_days=36_500,
        )
        self.service = self.wired(self.settings)
        self.stores.orgs.put(Org("acme"))

    def wired(self, settings: DeliverSettings) -> deliver.DeliverParts:
        wakes = SqsWakes(self.sqs, self.wakes_url, self.slow_url)
        return deliver.wire(settings, db=self.database.client, clock=self.clock, wakes=wakes)

    def endpoint(self, **fields: Any) -> Endpoint:
        """Make an endpoint of an org, at the beginning of its ledger."""
        given = {"org": "acme", "id": ID, "url": self.receiver.url} | fields
        endpoint = Endpoint(**given, change=new_id(self.clock.ms))
        told = own_batch(endpoint.org, [{"type": "audit"}], new_id(self.clock.ms))
        progress = Progress(0, change="p")
        assert self.stores.endpoints.write(endpoint, "", *told, progress)
        return endpoint

    def seal(self, org: str = "acme", count: int = 1) -> None:
        """Seal events of an org."""
        self.batches += 1
        made = batch(org, count, self.clock.ms, self.batches)
        self.stores.journal.put(made, pack(made.entries))
        seal_batches(org, [made], self.stores.ledger, self.clock)

    def seal_all(self) -> None:
        """Seal what Tocsin told."""
        since = new_id(self.clock.ms - 60_000)
        stored = self.stores.journal.between("acme", since, new_id(self.clock.ms + 60_000), 100)
        batches = [each.unpack() for each in stored]
        found = [each for each in batches if isinstance(each, Batch)]
        seal_batches("acme", found, self.stores.ledger, self.clock)

    def call(self, *bodies: str, queue: str = QUEUE) -> list[str]:
        """Invoke the function with messages; return which it reports as failed."""
        event = copy.deepcopy(SAMPLE)
        [record] = event["Records"]
        arn = f"arn:aws:sqs:us-east-1:123456789012:{queue}"
        event["Records"] = [
            record | {"messageId": str(n), "body": body, "eventSourceARN": arn}
            for n, body in enumerate(bodies)
        ]
        answer = deployed.handler(event, Context("deliver"))
        return [each["itemIdentifier"] for each in answer["batchItemFailures"]]

    def woken(self, url: str) -> list[tuple[str, str]]:
        """Wait for messages in a queue, and take them."""
        found: list[tuple[str, str]] = []

        def look() -> bool:
            answer = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
            for each in answer.get("Messages", []):
                org, ids = wake(each["Body"])
                found.extend((org, id) for id in ids)
            return bool(found)

        until(look, "a message")
        return found

    def seqs(self) -> list[int]:
        return [json.loads(each.body)["data"]["seq"] for each in self.receiver.received]

    def progress(self, org: str = "acme", id: str = ID) -> Progress:
        kept = self.stores.endpoints.get(org, id)
        assert kept is not None
        return kept.progress


def message(org: str = "acme", *ids: str) -> str:
    return json.dumps({"org": org, "endpoints": ids or [ID]})


@pytest.fixture
def world(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with receiving(lambda _: Reply(204)) as receiver:
        world = World(database, receiver)
        monkeypatch.setattr(deployed, "service", lambda: world.service)
        yield world
        world.service.close()


def test_the_sample_is_delivered(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.endpoint()
    world.seal(count=3)
    assert deployed.handler(SAMPLE, Context("deliver")) == {"batchItemFailures": []}
    assert world.seqs() == [1, 2, 3]
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert metrics[-1]["Delivered"] == [3.0]
    assert len(metrics[-1]["LagMs"]) == 3


def test_a_message_that_comes_twice_sends_nothing_twice(world: World) -> None:
    world.endpoint()
    world.seal()
    assert world.call(message(), message()) == []
    assert world.call(message()) == []
    assert world.seqs() == [1]


def test_a_message_of_a_version_that_named_one_endpoint_is_understood(world: World) -> None:
    world.endpoint()
    world.seal()
    assert world.call(json.dumps({"org": "acme", "endpoint": ID})) == []
    assert world.seqs() == [1]


def test_items_of_an_older_version_are_delivered_from(world: World) -> None:
    """They have neither what was added to endpoints since, nor to how far these are."""
    key = {"pk": {"S": "endpoint#acme"}}
    for item in (
        {**key, "sk": {"S": ID}, "url": {"S": world.receiver.url}, "change": {"S": "c"}},
        {**key, "sk": {"S": f"{ID}#progress"}, "through_seq": {"N": "1"}},
    ):
        world.database.client.put_item(TableName=world.settings.state_table, Item=item)
    world.seal(count=3)
    assert world.call(message()) == []
    assert world.seqs() == [2, 3]
    assert world.progress().through_seq == 3
    # A lease that one holds who knows of no places: it is respected, and is no place.
    held = replace(
        world.progress(), lease="0123456789abcdef", lease_until_ms=world.clock.ms + 50_000
    )
    assert world.stores.endpoints.save("acme", ID, held.change, replace(held, change="q"))
    world.seal()
    assert world.call(message()) == []
    assert world.seqs() == [2, 3]
    assert world.progress().place(world.clock.ms) == ""
    world.clock.ms += 56_000
    assert world.call(message()) == []
    assert world.seqs() == [2, 3, 4]


def test_a_message_fails_if_one_of_its_endpoints_must_come_again(world: World) -> None:
    ids = [ID, "ep_" + "1" * 26]
    for id in ids:
        world.endpoint(id=id)
    world.seal()
    slow = replace(world.progress(), slow_until_ms=world.clock.ms + 60_000, change="q")
    assert world.stores.endpoints.save("acme", ID, "p", slow)
    nowhere = SqsWakes(world.sqs, world.wakes_url, world.slow_url + "-gone")
    world.service = deliver.wire(
        world.settings, db=world.database.client, clock=world.clock, wakes=nowhere
    )
    assert world.call(message("acme", *ids), message("acme", ids[1]), message("beta")) == ["0"]
    assert world.seqs() == [1], "the other one was sent its event"


def test_what_is_no_message_is_dropped_and_the_others_go_on(world: World) -> None:
    world.endpoint()
    world.seal()
    strange = ("", "{}", "[]", '{"org":1,"endpoint":2}', message("nobody"), message("acme", "ep_x"))
    assert world.call(*strange, message()) == []
    assert world.seqs() == [1]


def test_a_store_that_can_t_be_reached_has_its_messages_come_again(world: World) -> None:
    gone = world.settings.model_copy(update={"state_table": "gone"})
    world.service = world.wired(gone)
    assert world.call(message(), message("acme", "ep_x", "ep_y"), message("beta")) == [
        "0",
        "1",
        "2",
    ]


def test_one_org_s_poison_holds_up_no_other(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.endpoint(org="poison")
    world.endpoint()
    world.seal("poison")
    world.seal()
    key = {"pk": {"S": "endpoint#poison"}, "sk": {"S": f"{ID}#progress"}}
    world.database.client.update_item(
        TableName=world.settings.state_table,
        Key=key,
        UpdateExpression="SET through_seq = :x",
        ExpressionAttributeValues={":x": {"S": "x"}},
    )
    assert world.call(message("poison"), message()) == []
    assert world.seqs() == [1]
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert [each["BrokenOrgs"] for each in told if "BrokenOrgs" in each] == [[1.0]]


def test_one_that_is_slow_is_woken_beside_the_others(world: World) -> None:
    world.endpoint()
    world.seal()
    slow = replace(world.progress(), slow_until_ms=world.clock.ms + 60_000, change="q")
    assert world.stores.endpoints.save("acme", ID, "p", slow)
    assert world.call(message()) == []
    assert world.seqs() == []
    assert world.woken(world.slow_url) == [("acme", ID)]
    assert world.call(message(), queue=world.slow_url.rpartition("/")[2]) == []
    assert world.seqs() == [1]


def test_the_schedule_wakes_what_nothing_woke(world: World) -> None:
    world.endpoint()
    world.seal()
    assert deployed.handler({}, Context("deliver")) == {"swept": 0}, "its message may be coming"
    world.clock.ms += 61_000
    assert deployed.handler({}, Context("deliver")) == {"swept": 1}
    assert world.woken(world.wakes_url) == [("acme", ID)]
    assert world.call(message()) == []
    assert deployed.handler({}, Context("deliver")) == {"swept": 0}


def test_what_fails_is_woken_when_it_is_due(world: World) -> None:
    world.receiver.behave = lambda _: Reply(500)
    world.endpoint()
    world.seal()
    assert world.call(message()) == []
    [failing] = world.progress().failing
    assert failing.attempts == 1
    world.receiver.behave = lambda _: Reply(204)
    world.clock.ms = failing.due_ms
    assert world.woken(world.slow_url) == [("acme", ID)]
    assert world.call(message(), queue=world.slow_url.rpartition("/")[2]) == []
    assert world.seqs() == [1, 1]
    assert world.progress().failing == ()


def test_an_endpoint_that_is_gone_is_paused_and_told(
    world: World, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    world.receiver.behave = lambda _: Reply(410, body=b"no such hook, Bearer abcdefghijklmnop")
    world.endpoint()
    world.seal()
    assert world.call(message()) == []
    kept = world.stores.endpoints.get("acme", ID)
    assert kept is not None
    assert kept.endpoint.status is Status.PAUSED
    assert not world.stores.endpoints.active("acme")
    [told] = [vars(each) for each in caplog.records if each.msg == "an endpoint was paused"]
    named = [told[name] for name in ("org", "endpoint", "event_type", "seq", "attempts")]
    assert named == ["acme", ID, "tool_call", 1, 1]
    assert told["answer"].startswith("no such hook")
    assert "abcdefghijklmnop" not in told["answer"]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert [each["PausedEndpoints"] for each in lines if "PausedEndpoints" in each] == [[1.0]]


@pytest.mark.parametrize("status", [OrgStatus.SUSPENDED, OrgStatus.DELETING])
def test_an_org_that_may_not_use_tocsin_is_sent_nothing(world: World, status: OrgStatus) -> None:
    world.endpoint()
    world.seal()
    world.stores.orgs.put(Org("acme", status=status))
    assert world.call(message()) == []
    assert world.seqs() == []


class TestLinks:
    def asked(self, world: World, *, by: ApiKey) -> str:
        """Ask for an approval, and have it sealed."""
        steps = Steps(world.stores.approvals, world.clock)
        call = Call(tool="exec", agent="a", owner=f"key:{by.id}")
        ask = Ask(call=call, message="may I?", ttl_seconds=600)
        approval = Asking(steps, Timers())(by, ask)
        world.seal_all()
        return approval.id

    def links(self, world: World) -> dict[str, Any] | None:
        bodies = [json.loads(each.body) for each in world.receiver.received]
        [asked] = [each for each in bodies if each["type"] == "approval.created"]
        links: dict[str, Any] | None = asked.get("links")
        return links

    def keys(self, world: World, *scopes: Scope) -> ApiKey:
        _, key = mint("acme", frozenset(scopes), "n", world.clock.ms)
        world.stores.keys.put(key)
        return key

    @pytest.fixture
    def maria(self, world: World) -> ApiKey:
        return self.keys(world, Scope.APPROVE)

    @pytest.fixture
    def agent(self, world: World) -> ApiKey:
        return self.keys(world, Scope.INGEST)

    def endpoint(self, world: World, key: ApiKey) -> None:
        wanted = Wanted(types=frozenset({"approval.created"}))
        world.endpoint(links=True, links_key=key.id, wanted=wanted)

    def test_they_are_those_of_the_key_that_directs_them(
        self, world: World, maria: ApiKey, agent: ApiKey
    ) -> None:
        self.endpoint(world, maria)
        id = self.asked(world, by=agent)
        assert world.call(message()) == []
        links = self.links(world)
        assert links is not None
        assert links["approve"].startswith(
            f"{URL}/v1/approvals/{id}/resolve?org=acme&approved=true"
        )
        assert f"key={maria.id}" in links["deny"]
        assert world.stores.approvals.get("acme", [id])[id].linked_by == maria.holder

    def test_there_are_none_where_that_key_asked_itself(self, world: World, maria: ApiKey) -> None:
        self.endpoint(world, maria)
        self.asked(world, by=maria)
        assert world.call(message()) == []
        assert self.links(world) is None

    def test_there_are_none_when_it_was_answered(
        self, world: World, maria: ApiKey, agent: ApiKey
    ) -> None:
        self.endpoint(world, maria)
        self.asked(world, by=agent)
        world.clock.ms += 601_000
        assert world.call(message()) == []
        assert self.links(world) is None


class Timers:
    """Nobody is woken."""

    def set(self, org: str, approval_id: str, due_ms: int, now_ms: int) -> None:
        pass
