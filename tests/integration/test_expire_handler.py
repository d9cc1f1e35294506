"""The deployed expire function on a real DynamoDB and a real SQS."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fakes.desk import key
from functions.expire import handler as deployed
from support.context import Context
from support.databases import Database
from support.waiting import until
from tocsin.adapters.clock import SystemClock
from tocsin.adapters.sqs import SqsTimers
from tocsin.bootstrap import expire
from tocsin.domain.approvals import Approval, Call, Expiry, Status
from tocsin.domain.batch import Batch
from tocsin.domain.errors import Busy
from tocsin.domain.keys import Scope
from tocsin.domain.org import Org
from tocsin.local.queue_polling import lambda_message
from tocsin.services.approvals.asking import Ask, Asking
from tocsin.services.approvals.steps import Steps
from tocsin.settings import ExpireSettings

SAMPLE = Path(__file__).parents[2] / "events" / "sqs-expiry.json"


@dataclass
class Now:
    """A clock that a test moves on, and that otherwise goes as the system's."""

    ahead_ms: int = 0

    def now_ms(self) -> int:
        return SystemClock().now_ms() + self.ahead_ms


@dataclass
class World:
    """The function, with its tables and its queue."""

    database: Database
    clock: Now = field(default_factory=Now)

    def __post_init__(self) -> None:
        self.stores, settings = self.database.stores()
        self.sqs, url = self.database.queue()
        self.url = url
        self.timers = SqsTimers(self.sqs, url)
        self.settings = ExpireSettings(**settings.model_dump(), expiry_queue_url=url)
        self.db = self.database.server.client()
        self.service = expire.wire(self.settings, db=self.db, clock=self.clock, timers=self.timers)
        self.asking = Asking(Steps(self.stores.approvals, self.clock), self.timers)
        for org in ("acme", "beta"):
            self.stores.orgs.put(Org(org))

    def ask(self, org: str = "acme", *, ago_ms: int = 0, **given: Any) -> Approval:
        """Ask for an approval, some time ago."""
        ahead_ms, self.clock.ahead_ms = self.clock.ahead_ms, -ago_ms
        try:
            call = Call(tool="exec", agent="a", owner="key:1")
            ask = Ask(call=call, message="may I?", **({"ttl_seconds": 10} | given))
            return self.asking(key(Scope.INGEST, org=org), ask)
        finally:
            self.clock.ahead_ms = ahead_ms

    def received(self) -> list[Any]:
        """Wait for messages, and return them as Lambda does."""
        found: list[Any] = []

        def look() -> bool:
            answer = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10)
            found.extend(lambda_message(each, "arn") for each in answer.get("Messages", []))
            return bool(found)

        until(look, "a message")
        return found

    def waiting(self) -> int:
        """How many messages the queue holds, delayed ones too."""
        answer = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])
        told = answer["Attributes"]
        delayed = told["ApproximateNumberOfMessagesDelayed"]
        return int(told["ApproximateNumberOfMessages"]) + int(delayed)

    def status(self, approval: Approval) -> str:
        return self.stores.approvals.get(approval.org, [approval.id])[approval.id].status

    def told(self, org: str = "acme") -> list[str]:
        batches = [each.unpack() for each in self.stores.journal.between(org, "", "~", 100)]
        entries = [entry for each in batches if isinstance(each, Batch) for entry in each.entries]
        return [json.loads(entry)["type"] for entry in entries]

    def spoil(self, approval: Approval) -> None:
        """Make an approval's item unreadable."""
        item_key = {"pk": {"S": f"approval#{approval.org}"}, "sk": {"S": approval.id}}
        self.db.update_item(
            TableName=self.settings.state_table,
            Key=item_key,
            UpdateExpression="SET #record = :nonsense",
            ExpressionAttributeNames={"#record": "record"},
            ExpressionAttributeValues={":nonsense": {"B": b"{}"}},
        )


@pytest.fixture
def world(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World(database)
    monkeypatch.setattr(deployed, "service", lambda: made.service)
    monkeypatch.setattr(deployed.metrics, "service", "expire")
    yield made


def invoke(event: Any) -> Any:
    return deployed.handler(event, Context("expire"))


def record(org: str, id: str, message: str = "m") -> dict[str, str]:
    return {"messageId": message, "body": json.dumps({"org": org, "approval": id})}


def failed(answer: Any) -> list[str]:
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def test_an_approval_expires_by_the_message_of_its_timer(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = world.ask(ago_ms=9_500)

    world.timers.set("acme", asked.id, asked.due_ms, world.clock.now_ms())
    records = world.received()
    assert world.clock.now_ms() >= asked.expires_at_ms
    assert invoke({"Records": records}) == {"batchItemFailures": []}

    assert world.status(asked) == Status.EXPIRED
    assert world.told() == ["approval.created", "approval.expired"]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [[late_ms]] = [line["LateMs"] for line in lines if "LateMs" in line]
    assert late_ms >= 0


def test_what_still_waits_has_its_timer_set_again(world: World) -> None:
    asked = world.ask(ttl_seconds=7 * 86_400)
    before = world.waiting()
    assert failed(invoke({"Records": [record("acme", asked.id)]})) == []
    assert world.waiting() == before + 1
    assert world.status(asked) == Status.PENDING


def test_an_escalation_reminds_and_goes_on(world: World) -> None:
    asked = world.ask(ttl_seconds=100, on_expiry=Expiry.ESCALATE)
    before, world.clock.ahead_ms = world.waiting(), 51_000
    assert failed(invoke({"Records": [record("acme", asked.id)]})) == []
    assert world.waiting() == before + 1
    assert world.told() == ["approval.created", "approval.reminder"]


def test_a_message_that_comes_twice_changes_nothing_twice(world: World) -> None:
    asked = world.ask(ago_ms=11_000)
    twice = {"Records": [record("acme", asked.id, "m"), record("acme", asked.id, "n")]}
    for _ in range(2):
        assert failed(invoke(twice)) == []
    assert world.told() == ["approval.created", "approval.expired"]


@pytest.mark.parametrize("body", ["no JSON", "[]", "{}", '{"org":7,"approval":"a"}'])
def test_a_message_that_can_not_be_read_is_dropped(
    world: World, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    asked = world.ask(ago_ms=11_000)
    poison = {"messageId": "poison", "body": body}
    assert failed(invoke({"Records": [poison, record("acme", asked.id)]})) == []
    assert world.status(asked) == Status.EXPIRED
    assert "a message is dropped" in caplog.text


def test_a_broken_approval_fails_its_own_message_only(world: World) -> None:
    broken, neighbour = world.ask(ago_ms=11_000), world.ask(ago_ms=11_000)
    other = world.ask("beta", ago_ms=11_000)
    world.spoil(broken)
    records = [
        record("acme", broken.id, "broken"),
        record("acme", neighbour.id, "neighbour"),
        record("beta", other.id, "other"),
    ]
    assert failed(invoke({"Records": records})) == ["broken"]
    assert world.status(neighbour) == world.status(other) == Status.EXPIRED


def test_a_busy_orgs_messages_wait_and_nobody_elses(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = world.ask(ago_ms=11_000), world.ask(ago_ms=11_000)
    other = world.ask("beta", ago_ms=11_000)
    tried, look = list[str](), world.service._expiring.look

    def busy(org: str, id: str) -> Approval | None:
        tried.append(id)
        if org == "acme":
            raise Busy("the store is throttling")
        return look(org, id)

    monkeypatch.setattr(world.service._expiring, "look", busy)
    records = [record("acme", one.id, "1"), record("acme", two.id, "2")]
    records.append(record("beta", other.id, "3"))
    assert failed(invoke({"Records": records})) == ["1", "2"]
    assert tried == [one.id, other.id]
    assert world.status(other) == Status.EXPIRED


def test_a_timer_without_an_approval_ends(world: World) -> None:
    """Who asked was killed between the two."""
    before = world.waiting()
    assert invoke(json.loads(SAMPLE.read_text())) == {"batchItemFailures": []}
    assert (world.told(), world.waiting()) == ([], before)


def test_the_sweep_finds_what_no_timer_tells_of(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    lost, lost_too = world.ask(ago_ms=11_000), world.ask("beta", ago_ms=11_000)
    young = world.ask()
    assert invoke({}) == {"swept": 2}
    assert world.status(lost) == world.status(lost_too) == Status.EXPIRED
    assert world.status(young) == Status.PENDING
    assert '"SweptApprovals":[2.0]' in capsys.readouterr().out.replace(" ", "")
    assert invoke({}) == {"swept": 0}


def test_the_sweep_passes_over_a_broken_org(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, other = world.ask(ago_ms=11_000), world.ask("beta", ago_ms=11_000)
    world.spoil(broken)
    assert invoke({}) == {"swept": 1}
    assert world.status(other) == Status.EXPIRED
    assert '"BrokenOrgs":[1.0]' in capsys.readouterr().out.replace(" ", "")


def test_a_sweep_that_did_not_get_to_its_end_fails(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = world.ask("beta", ago_ms=11_000)
    sweep = world.service._expiring.sweep

    def busy(org: str) -> int:
        if org == "acme":
            raise Busy("the store is throttling")
        return sweep(org)

    monkeypatch.setattr(world.service._expiring, "sweep", busy)
    with pytest.raises(RuntimeError, match="acme"):
        invoke({})
    assert world.status(other) == Status.EXPIRED
