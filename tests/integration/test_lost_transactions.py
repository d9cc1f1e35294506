"""Where DynamoDB does what it is asked, and the answer is lost: the SDK asks again."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import ReadTimeoutError
from botocore.httpsession import URLLib3Session

from fakes.events import batch
from fakes.stores import FakeClock, FakeOrgs, FakeTimers
from support.databases import Database, Stores
from tocsin.adapters.clock import SystemClock
from tocsin.adapters.dynamodb.agents import DynamoAgentStates
from tocsin.adapters.dynamodb.approvals import DynamoApprovals
from tocsin.adapters.dynamodb.journal import DynamoJournal
from tocsin.adapters.dynamodb.keys import DynamoKeyRing, DynamoKeys
from tocsin.adapters.dynamodb.sessions import DynamoSessionStates
from tocsin.bootstrap import detect
from tocsin.domain.approvals import Call
from tocsin.domain.batch import Batch, pack
from tocsin.domain.errors import OutcomeUnknown
from tocsin.domain.keys import Scope, mint
from tocsin.services.access.access import Access
from tocsin.services.agents.registering import Registering
from tocsin.services.approvals.asking import Ask, Asking
from tocsin.services.approvals.deciding import Deciding, Resolve
from tocsin.services.approvals.linking import Linking
from tocsin.services.approvals.steps import Steps
from tocsin.services.keys.delegating import Delegate, Delegating
from tocsin.services.keys.issuing import Issue, Issuing
from tocsin.services.keys.writing import Writing
from tocsin.services.sealing.seal import seal_batches
from tocsin.services.sessions.beginning import Beginning
from tocsin.settings import DetectSettings


class Line:
    """Carries requests to the server; of those answers to transactions the chosen ones are lost."""

    def __init__(self, *lost: int) -> None:
        self.lost = lost
        self.writes = 0

    def __call__(self, request: AWSPreparedRequest, **_: object) -> Any:
        if request.headers["X-Amz-Target"] != b"DynamoDB_20120810.TransactWriteItems":
            return None
        answer = URLLib3Session().send(request)
        self.writes += 1
        if self.writes in self.lost:
            raise ReadTimeoutError(endpoint_url=request.url)
        return answer


def told(on: Stores) -> Counter[str]:
    """Return how many events of each type there are."""
    found = Counter[str]()
    for stored in on.journal.between("acme", "", "z", 100):
        batch = stored.unpack()
        assert isinstance(batch, Batch)
        found.update(json.loads(entry)["type"] for entry in batch.entries)
    return found


@pytest.mark.parametrize(
    "lost", [(1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), tuple(range(1, 7))], ids=str
)
def test_what_was_done_is_known_as_ours_and_told_once(
    database: Database, lost: tuple[int, ...]
) -> None:
    on, settings = database.stores()
    client, line = database.server.client(), Line()
    client.meta.events.register("before-send.dynamodb", line)
    journal = DynamoJournal(client, settings.journal_table)
    steps = Steps(DynamoApprovals(client, settings.state_table, journal), SystemClock())
    agent = mint("acme", frozenset({Scope.INGEST}), "agent", 1)[1]
    maria = mint("acme", frozenset({Scope.APPROVE}), "maria", 1)[1]
    call = Call(tool="exec", agent="claude", owner=agent.holder)
    line.lost = lost
    asked = Asking(steps, FakeTimers())(agent, Ask(call=call, message="may I?"))
    line.writes = 0
    done = Deciding(steps).resolve(maria, asked.id, Resolve(approved=True))
    assert done.status == "approved"
    assert told(on) == {"approval.created": 1, "approval.resolved": 1}


@pytest.mark.parametrize("lost", [(1,), (1, 2), (2,), (1, 3), (1, 2, 3, 4)], ids=str)
def test_links_are_made_and_used_once(database: Database, lost: tuple[int, ...]) -> None:
    on, settings = database.stores()
    client, line = database.server.client(), Line()
    client.meta.events.register("before-send.dynamodb", line)
    journal = DynamoJournal(client, settings.journal_table)
    steps = Steps(DynamoApprovals(client, settings.state_table, journal), SystemClock())
    agent = mint("acme", frozenset({Scope.INGEST}), "agent", 1)[1]
    maria = mint("acme", frozenset({Scope.APPROVE}), "maria", 1)[1]
    call = Call(tool="exec", agent="claude", owner=agent.holder)
    asked = Asking(steps, FakeTimers())(agent, Ask(call=call, message="may I?"))
    on.keys.put(maria)
    access, orgs = Access(on.keys, FakeOrgs(), SystemClock()), FakeOrgs()
    linking = Linking(steps, Deciding(steps), access, orgs, "https://tocsin.example.com")
    line.writes, line.lost = 0, lost
    made = linking.make(maria, asked.id)
    assert linking.make(maria, asked.id) == made
    assert linking.resolve(made.deny).status == "denied"
    told = Counter[str]()
    for stored in on.journal.between("acme", "", "z", 100):
        batch = stored.unpack()
        assert isinstance(batch, Batch)
        told.update(json.loads(entry)["type"] for entry in batch.entries)
    assert told == {"approval.created": 1, "approval.linked": 1, "approval.resolved": 1}


def test_where_every_answer_is_lost_it_says_so(database: Database) -> None:
    _, settings = database.stores()
    client, line = database.server.client(), Line(*range(1, 1_000))
    journal = DynamoJournal(client, settings.journal_table)
    store = DynamoApprovals(client, settings.state_table, journal)
    client.meta.events.register("before-send.dynamodb", line)
    steps = Steps(store, SystemClock())
    agent = mint("acme", frozenset({Scope.INGEST}), "agent", 1)[1]
    call = Call(tool="exec", agent="claude", owner=agent.holder)
    get, silent = store.get, iter([True] * 20)
    vars(store)["get"] = lambda org, ids: {} if next(silent, False) else get(org, ids)
    with pytest.raises(OutcomeUnknown):
        Asking(steps, FakeTimers())(agent, Ask(call=call, message="may I?"))
    assert len(store.pending("acme", 10)) == 1


@pytest.mark.parametrize("lost", [(1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), (4,)], ids=str)
def test_a_session_begins_once_however_many_answers_are_lost(
    database: Database, lost: tuple[int, ...]
) -> None:
    on, settings = database.stores()
    client, line = database.server.client(), Line(*lost)
    client.meta.events.register("before-send.dynamodb", line)
    journal = DynamoJournal(client, settings.journal_table)
    begin = Beginning(DynamoSessionStates(client, settings.state_table, journal), SystemClock())
    ids = [f"s{n}" for n in range(150)]
    for _ in range(2):  # as a projector does that was killed after it
        begin("acme", ids)
    batches = [each.unpack() for each in on.journal.between("acme", "", "z", 100)]
    told = [
        json.loads(entry)["session_id"]
        for each in batches
        if isinstance(each, Batch)
        for entry in each.entries
    ]
    assert Counter(told) == Counter(ids)
    assert on.session_states.get("acme", ids).keys() == set(ids)


@pytest.mark.parametrize("lost", [(1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)], ids=str)
def test_anomalies_are_told_once(database: Database, lost: tuple[int, ...]) -> None:
    on, settings = database.stores()
    client, line = database.server.client(), Line(*lost)
    client.meta.events.register("before-send.dynamodb", line)
    tables = DetectSettings(**settings.model_dump(), retention_days=36_500)
    service = detect.wire(tables, db=client, clock=(clock := FakeClock()))
    for salt in range(3):
        made = batch("acme", 1, clock.ms, salt, tool_name="drop_table", agent_id=f"a{salt}")
        on.journal.put(made, pack(made.entries))
        seal_batches("acme", [made], on.ledger, clock)
        assert service(["acme"]).broken == {}
    assert service(["acme"]).failed == service(["acme"]).failed == {}
    assert told(on)["anomaly"] == len(on.anomalies.newest("acme", "", 10)) == 3


@pytest.mark.parametrize("lost", [(1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)], ids=str)
def test_agents_and_delegated_keys_are_made_once(database: Database, lost: tuple[int, ...]) -> None:
    on, settings = database.stores()
    client, line = database.server.client(), Line()
    client.meta.events.register("before-send.dynamodb", line)
    journal = DynamoJournal(client, settings.journal_table)
    keys, clock = DynamoKeys(client, settings.state_table), SystemClock()
    writing = Writing(keys, DynamoKeyRing(client, settings.state_table, journal), clock)
    issuing = Issuing(writing)
    agents = Registering(DynamoAgentStates(client, settings.state_table, journal), issuing, clock)
    admin = mint("acme", frozenset({Scope.ADMIN}), "ada", 1)[1]

    def losing[Made](deed: Callable[[], Made]) -> Made:
        line.lost, line.writes = lost, 0
        return deed()

    issue = Issue(scopes=frozenset({Scope.INGEST}), agent="a")
    _, issued = losing(lambda: agents.create(admin, "a", {"name": "A"}, issue))
    losing(lambda: agents.change(admin, "a", {"name": "B"}))
    losing(lambda: agents.retire(admin, "a", "r"))
    assert issued
    delegating, wanted = Delegating(issuing, writing), Delegate(scopes=issue.scopes)
    child = losing(lambda: delegating.delegate(issued.key, wanted))
    losing(lambda: delegating.revoke(issued.key, child.key.id))
    assert told(on) == {
        "agent.created": 1,
        "tocsin.key_created": 1,
        "agent.updated": 1,
        "agent.revoked": 1,
        "delegation.created": 1,
        "delegation.revoked": 1,
    }
    assert [each.id for each in on.keys.all("acme")] == [issued.key.id, child.key.id]
