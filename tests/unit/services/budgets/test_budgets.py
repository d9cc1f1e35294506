"""Budgets: counted by the projector, told of once, held against calls."""

import json
from dataclasses import replace
from typing import Any

import pytest

from fakes.events import batch
from fakes.stores import FakeBudgets, FakeClock, FakeJournal, FakeLedger, FakeProjections
from tocsin.domain import batch as batches
from tocsin.domain.approvals import Call
from tocsin.domain.batch import Batch
from tocsin.domain.budgets import Budget, BudgetAction, Limit
from tocsin.domain.errors import Busy, Conflict, LimitReached, NotFound, OutcomeUnknown
from tocsin.domain.ids import new_batch_id
from tocsin.domain.keys import ApiKey, Scope, mint
from tocsin.domain.limits import MAX_BUDGETS
from tocsin.domain.projection import Projected
from tocsin.domain.segment import seal
from tocsin.domain.times import iso_ms
from tocsin.services.budgets.changing import Changing
from tocsin.services.budgets.holding import Holding
from tocsin.services.budgets.keeping import BudgetState, Keeping, Wanted, id_of_agent
from tocsin.services.budgets.spending import Spending
from tocsin.services.intake.stamp import own_batch
from tocsin.services.sealing.project import Projector
from tocsin.services.sealing.rebuild import Rebuild

DAY_MS = 86_400_000
ADA = mint("acme", frozenset({Scope.ADMIN}), "", 1, person="ada")[1]
TWO_CALLS = Limit("calls", "day", 2)


class Failing(FakeBudgets):
    """A store that writes, or does not, and then loses its answer."""

    def __init__(self, journal: FakeJournal, projections: FakeProjections) -> None:
        super().__init__(journal, projections)
        self.lost: list[str] = []

    def write(
        self, budget: Budget, was: str, batch: Batch, packed: bytes, at: Projected | None = None
    ) -> bool:
        how = self.lost.pop(0) if self.lost else ""
        if how == "busy":
            raise Busy("the store is throttling")
        written = how != "before" and super().write(budget, was, batch, packed, at)
        if how:
            raise OutcomeUnknown("the answer is lost")
        return written


class Office:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.journal = FakeJournal()
        self.ledger = FakeLedger()
        self.projections = FakeProjections()
        self.store = Failing(self.journal, self.projections)
        self.revoked: list[str] = []
        changing = Changing(self.store, self.clock, self.revoke)
        self.keeping = Keeping(changing, self.projections)
        self.holding = Holding(self.store, self.clock)
        self.spending = Spending(changing, self.projections)
        self.projector = Projector(
            ledger=self.ledger,
            journal=self.journal,
            projections=self.projections,
            spending=self.spending,
        )

    def revoke(self, budget: Budget) -> None:
        self.revoked.append(budget.subject)

    def spend(self, count: int = 1, **fields: Any) -> None:
        """Have events sealed that say the same, and projected."""
        self.seal(self.made(count, **fields))
        self.projector.catch_up("acme")

    def rebuild(self) -> None:
        Rebuild(
            ledger=self.ledger,
            journal=self.journal,
            projections=self.projections,
            projector=self.projector,
        )("acme")

    def made(self, count: int, **fields: Any) -> Batch:
        self.clock.ms += 1
        said = {"timestamp": iso_ms(self.clock.ms)} | fields
        return batch("acme", count, self.clock.ms, self.clock.ms % 1_000, **said)

    def seal(self, made: Batch) -> None:
        self.journal.put(made, batches.pack(made.entries))
        head = self.ledger.head("acme")
        segment, _ = seal("acme", head, [made], self.clock.ms)
        self.ledger.commit(segment, head)

    def set(self, *limits: Limit, key: ApiKey = ADA, **wanted: Any) -> BudgetState:
        return self.keeping.create(key, Wanted(limits=limits, **wanted))

    def used(self, id: str, period: str = "day") -> dict[str, int]:
        return dict(self.keeping.one("acme", id).used[period])

    def told(self, type: str = "budget.exceeded") -> list[dict[str, Any]]:
        found = [each for each in self.journal.batches.values() if isinstance(each, Batch)]
        events = [json.loads(entry) for each in found for entry in each.entries]
        return [event for event in events if event["type"] == type]

    def call(self, **names: str) -> Call:
        return Call(tool="exec", **({"agent": "claude", "owner": "key:x"} | names))

    def denied(self, **names: str) -> str:
        self.clock.ms += 3_000
        return self.holding.denies("acme", self.call(**names))


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.mark.parametrize(
    ("of", "mine", "others"),
    [
        ({}, {"agent_id": "a"}, None),
        ({"kind": "agent", "subject": "a"}, {"agent_id": "a"}, {"agent_id": "b"}),
        ({"kind": "user", "subject": "u"}, {"user_id": "u"}, {"user_id": "v"}),
        ({"kind": "session", "subject": "s"}, {"session_id": "s"}, {"session_id": "t"}),
    ],
    ids=["org", "agent", "user", "session"],
)
def test_each_subject_has_its_own_use(
    office: Office, of: dict[str, Any], mine: dict[str, Any], others: dict[str, Any] | None
) -> None:
    id = office.set(TWO_CALLS, Limit("cost_usd", "month", 10**12), **of).budget.id
    office.spend(cost_usd=0.25, total_tokens=7, **mine)
    if others:
        office.spend(5, **others)
    assert office.used(id) == {"calls": 1, "total_tokens": 7, "cost_nano_usd": 250_000_000}
    assert office.used(id, "month") == office.used(id)
    assert not office.told()
    office.spend(total_tokens=1, **mine)
    [event] = office.told()
    assert event["data"]["budget_id"] == id
    assert (event["data"]["period"], event["data"]["limits"]) == ("day", {"calls_per_day": 2})
    assert event["data"]["used"] == {"cost_usd": 0.25, "tokens": 8, "calls": 2}
    assert {name: event.get(name) for name in mine if of} == (mine if of else {})


def test_it_is_told_once_in_a_period(office: Office) -> None:
    id = office.set(TWO_CALLS, kind="agent", subject="a").budget.id
    for _ in range(3):
        office.spend(2, agent_id="a")
    assert len(office.told()) == 1
    assert office.keeping.one("acme", id).used_up == ("day",)
    office.clock.ms += DAY_MS
    assert office.keeping.one("acme", id).used_up == ()
    assert office.used(id)["calls"] == 0
    office.spend(3, agent_id="a")
    assert [event["data"]["used"]["calls"] for event in office.told()] == [2, 3]


def test_a_request_and_its_response_are_one_call(office: Office) -> None:
    id = office.set(Limit("tokens", "day", 100), kind="user", subject="u").budget.id
    both: dict[str, Any] = {"session_id": "s", "tool_call_id": "t", "agent_id": "a"}
    office.spend(direction="request", user_id="u", total_tokens=30, **both)
    office.spend(direction="response", total_tokens=50, **both)
    assert office.used(id) == {"calls": 1, "total_tokens": 50, "cost_nano_usd": 0}


@pytest.mark.parametrize(
    ("actions", "calls"),
    [
        (["deny"], 0),
        (["ask"], 0),
        (["allow"], 1),
        (["log"], 1),
        (["watch"], 1),
        (["ask", "allow"], 1),  # as a call comes again that was approved
        (["deny"] * 50, 0),
    ],
    ids=lambda value: str(value)[:30],
)
def test_calls_are_those_that_were_made(office: Office, actions: list[str], calls: int) -> None:
    of: dict[str, Any] = {"kind": "agent", "subject": "a"}
    before = office.set(TWO_CALLS, action=BudgetAction.BLOCK, **of).budget.id
    for action in actions:
        office.spend(action=action, agent_id="a", session_id="s", total_tokens=3)
    after = office.set(TWO_CALLS, **of).budget.id
    session = office.set(TWO_CALLS, kind="session", subject="s").budget.id
    for id in (before, after, session):
        assert office.used(id) == {
            "calls": calls,
            "total_tokens": 3 * len(actions),
            "cost_nano_usd": 0,
        }
    assert not office.told()
    assert not office.denied(agent="a")


@pytest.mark.parametrize(
    ("request_action", "response_action", "calls"),
    [
        ("deny", None, 0),
        ("deny", "deny", 0),
        ("allow", "deny", 1),  # it ran; what it answered was kept back
        ("ask", None, 1),
        ("ask", "deny", 0),
        (None, None, 1),
    ],
)
@pytest.mark.parametrize("apart", [False, True], ids=["in one run", "in two runs"])
def test_of_a_request_and_its_response_the_request_says_whether_it_was_made(
    office: Office,
    request_action: str | None,
    response_action: str | None,
    calls: int,
    apart: bool,
) -> None:
    id = office.set(TWO_CALLS).budget.id
    both: dict[str, Any] = {"session_id": "s", "tool_call_id": "t", "agent_id": "a"}
    for direction, action in (("request", request_action), ("response", response_action)):
        said = {"direction": direction} | ({"action": action} if action else {}) | both
        office.seal(office.made(1, **said))
        if apart:
            office.projector.catch_up("acme")
    office.projector.catch_up("acme")
    assert office.used(id)["calls"] == calls
    office.rebuild()
    assert office.used(id)["calls"] == calls


def test_what_tocsin_writes_counts_nowhere(office: Office) -> None:
    id = office.set(TWO_CALLS).budget.id
    told = own_batch("acme", [{"type": "tool_call"}] * 9, new_batch_id(office.clock.ms, bytes(10)))
    office.seal(told[0])
    office.projector.catch_up("acme")
    assert office.used(id)["calls"] == 0


def test_it_begins_with_what_was_used_before(office: Office) -> None:
    office.spend(3, agent_id="a", session_id="s", cost_usd=1)
    office.clock.ms += DAY_MS
    office.spend(2, agent_id="a", session_id="t", cost_usd=1)
    limits = Limit("calls", "day", 100), Limit("calls", "month", 100)
    org = office.set(*limits).budget.id
    agent = office.set(*limits, kind="agent", subject="a").budget.id
    session = office.set(*limits, kind="session", subject="s").budget.id
    user = office.set(*limits, kind="user", subject="u").budget.id
    began = {
        id: tuple(office.used(id, p)["calls"] for p in ("day", "month")) for id in (org, agent)
    }
    assert began == {org: (2, 5), agent: (2, 5)}
    assert [office.used(session, p)["calls"] for p in ("day", "month")] == [0, 3]
    assert office.used(user)["calls"] == 0
    office.spend(agent_id="a", session_id="s", user_id="u")
    counted = [office.used(id)["calls"] for id in (org, agent, session, user)]
    assert counted == [3, 3, 1, 1]


@pytest.mark.parametrize("when", ["before it reads", "as it claims", "once it has claimed"])
def test_a_run_meanwhile_counts_whole_or_not_at_all(
    office: Office, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Each call is counted once, wherever in a run of the projector a budget is made."""
    monkeypatch.setattr("tocsin.services.budgets.keeping._PAUSES_SECONDS", (0.0,))
    office.spend(3, agent_id="a")
    office.seal(office.made(4, agent_id="a"))
    made = list[str]()

    def make() -> None:
        if not made:
            made.append("")
            try:
                made[0] = office.set(Limit("calls", "day", 100)).budget.id
            except Busy as error:
                assert "is just being counted" in str(error)
                made.clear()

    claim, head = office.projections.claim, office.ledger.head

    def headed(org: str) -> Any:
        make()
        return head(org)

    def claimed(*of: Any) -> bool:
        if when == "as it claims":
            make()
        done = claim(*of)
        if when == "once it has claimed":
            make()
        return done

    if when == "before it reads":
        vars(office.ledger)["head"] = headed
    vars(office.projections)["claim"] = claimed
    office.projector.catch_up("acme")
    assert bool(made) is (when != "once it has claimed")
    vars(office.projections)["claim"] = claim
    make()
    assert office.used(made[0])["calls"] == 7
    office.spend(2, agent_id="a")
    assert office.used(made[0])["calls"] == 9
    office.rebuild()
    assert office.used(made[0])["calls"] == 9


def test_who_makes_a_budget_waits_for_a_run_that_is_being_counted(office: Office) -> None:
    office.seal(office.made(4, agent_id="a"))
    none, run = office.projections.cursor("acme"), Projected(0, 4)
    assert office.projections.claim("acme", none, run)
    cursor, reads = office.projections.cursor, iter(range(100))

    def later(*of: Any) -> Projected:
        if next(reads) == 2:  # an attempt reads it twice
            vars(office.projections)["cursor"] = cursor
            office.projector.catch_up("acme")
        return cursor(*of)

    vars(office.projections)["cursor"] = later
    id = office.set(Limit("calls", "day", 100)).budget.id
    assert office.used(id)["calls"] == 4


def test_a_run_that_ends_while_a_budget_is_made_begins_it_anew(office: Office) -> None:
    office.spend(3, agent_id="a")
    office.seal(office.made(4, agent_id="a"))
    write, once = office.store.write, iter([True])

    def behind(*step: Any, **more: Any) -> bool:
        if next(once, False):
            office.projector.catch_up("acme")
        return write(*step, **more)

    vars(office.store)["write"] = behind
    id = office.set(Limit("calls", "day", 100)).budget.id
    assert office.used(id)["calls"] == 7
    assert len(office.told("tocsin.budget_set")) == 1
    office.spend(1)
    assert office.used(id)["calls"] == 8


def test_one_that_is_used_up_from_the_beginning_is_told_at_once(office: Office) -> None:
    office.spend(3, agent_id="a")
    made = office.set(TWO_CALLS, action=BudgetAction.BLOCK, kind="agent", subject="a")
    assert made.used_up == ("day",)
    assert len(office.told()) == 1
    assert office.denied(agent="a")
    none = office.set(Limit("calls", "month", 0), action=BudgetAction.BLOCK)
    assert none.used_up == ("month",)


def test_changing_one_goes_on_with_its_count(office: Office) -> None:
    made = office.set(TWO_CALLS, action=BudgetAction.BLOCK, kind="agent", subject="a").budget
    office.spend(2, agent_id="a")
    assert office.denied(agent="a")
    more = Wanted(limits=(Limit("calls", "day", 4),), kind="agent", subject="a")
    more = replace(more, action=BudgetAction.BLOCK)
    assert office.keeping.change(ADA, made.id, more).used_up == ()
    assert not office.denied(agent="a")
    office.spend(2, agent_id="a")
    assert office.denied(agent="a")
    assert [event["data"]["used"]["calls"] for event in office.told()] == [2, 4]
    less = replace(more, limits=(Limit("calls", "day", 3),))
    assert office.keeping.change(ADA, made.id, less).used_up == ("day",)
    off = office.keeping.change(ADA, made.id, replace(less, enabled=False))
    assert off.used_up == ()
    assert not office.denied(agent="a")
    of_another = replace(less, subject="b")
    assert office.keeping.change(ADA, made.id, of_another).used["day"]["calls"] == 0


def test_the_same_again_is_told_once(office: Office) -> None:
    wanted = Wanted(limits=(TWO_CALLS,), kind="agent", subject="a")
    for _ in range(2):
        office.keeping.put_of_agent(ADA, wanted)
    office.spend(agent_id="a")
    assert len(office.told("tocsin.budget_set")) == 1
    assert office.keeping.one("acme", id_of_agent("a")).budget.limits == (TWO_CALLS,)
    office.keeping.remove(ADA, id_of_agent("a"))
    assert office.keeping.put_of_agent(ADA, wanted).used["day"]["calls"] == 1


def test_removing_one(office: Office) -> None:
    id = office.set(TWO_CALLS).budget.id
    office.keeping.remove(ADA, id)
    office.spend(5)
    assert not office.told()
    for gone in (id, "", "bud", "x" * 300, "a\x00b", "ü"):
        with pytest.raises(NotFound):
            office.keeping.remove(ADA, gone)
    assert len(office.told("tocsin.budget_removed")) == 1


def test_an_org_has_so_many(office: Office) -> None:
    for _ in range(MAX_BUDGETS):
        office.set(TWO_CALLS)
    with pytest.raises(Conflict):
        office.set(TWO_CALLS)
    first = office.keeping.all("acme")[0].budget
    office.keeping.change(ADA, first.id, Wanted(limits=(TWO_CALLS,), name="renamed"))


def test_a_disabled_one_counts_and_does_nothing(office: Office) -> None:
    wanted = Wanted(limits=(TWO_CALLS,), enabled=False, action=BudgetAction.BLOCK)
    id = office.keeping.create(ADA, wanted).budget.id
    office.spend(3)
    assert office.used(id)["calls"] == 3
    assert not office.told()
    assert not office.denied()
    office.keeping.change(ADA, id, replace(wanted, enabled=True))
    assert office.denied()
    assert len(office.told()) == 1


@pytest.mark.parametrize("lost", [["after"], ["before"], ["before", "after"]], ids=str)
def test_a_lost_answer_neither_doubles_nor_loses(office: Office, lost: list[str]) -> None:
    office.store.lost = [*lost]
    id = office.set(TWO_CALLS).budget.id
    assert [each.budget.id for each in office.keeping.all("acme")] == [id]
    assert len(office.told("tocsin.budget_set")) == 1
    office.store.lost = [*lost]
    office.spend(2)
    assert len(office.told()) == 1


def test_a_projection_that_stops_before_telling_tells_when_it_goes_on(office: Office) -> None:
    office.set(TWO_CALLS, action=BudgetAction.REVOKE, kind="agent", subject="a")
    office.seal(office.made(2, agent_id="a"))
    office.store.lost = ["busy"]
    with pytest.raises(Busy):
        office.projector.catch_up("acme")
    assert not office.told()
    office.projector.catch_up("acme")  # without a further event
    assert len(office.told()) == 1
    assert set(office.revoked) == {"a"}


def test_a_rebuild_counts_the_same_and_tells_nothing(office: Office) -> None:
    id = office.set(TWO_CALLS, Limit("tokens", "month", 5)).budget.id
    office.spend(3, total_tokens=1)
    before = [office.used(id, period) for period in ("day", "month")]
    office.rebuild()
    assert [office.used(id, period) for period in ("day", "month")] == before
    assert len(office.told()) == 1


@pytest.mark.parametrize("action", list(BudgetAction))
def test_what_a_used_up_budget_does(office: Office, action: BudgetAction) -> None:
    office.set(TWO_CALLS, action=action, kind="agent", subject="claude", name="Claude's")
    office.spend(2, agent_id="claude")
    denied = office.denied()
    assert bool(denied) is (action in ("block", "revoke"))
    if denied:
        assert denied == "the budget of the agent claude (Claude's) is used up"
    assert not office.denied(agent="other")
    assert office.revoked == (["claude"] if action == "revoke" else [])
    office.holding.take_turn("acme", office.call())
    if action is BudgetAction.THROTTLE:
        with pytest.raises(LimitReached) as refused:
            office.holding.take_turn("acme", office.call())
        assert refused.value.retry_after_seconds == 10
        office.holding.take_turn("acme", office.call(agent="other"))
        office.clock.ms += 10_000
    office.holding.take_turn("acme", office.call())
    office.clock.ms += DAY_MS
    assert not office.denied()


def test_a_clock_that_was_ahead_does_not_hold_for_ever(office: Office) -> None:
    office.set(TWO_CALLS, action=BudgetAction.THROTTLE)
    office.spend(2)
    office.clock.ms += 3_600_000
    office.holding.take_turn("acme", office.call())
    office.clock.ms -= 3_000_000
    office.holding.take_turn("acme", office.call())


def test_a_clock_that_was_ahead_leaves_the_present_day_as_it_is(office: Office) -> None:
    id = office.set(TWO_CALLS, action=BudgetAction.BLOCK).budget.id
    office.clock.ms += 3 * DAY_MS
    office.spend(2)
    office.clock.ms -= 3 * DAY_MS
    assert office.keeping.one("acme", id).used_up == ()
    office.spend(2)
    assert office.keeping.one("acme", id).used_up == ("day",)
    assert len(office.told()) == 2
    assert office.denied()


def test_what_is_counted_late_is_of_the_day_when_it_came(office: Office) -> None:
    id = office.set(TWO_CALLS).budget.id
    office.seal(office.made(3))
    office.clock.ms += DAY_MS
    office.projector.catch_up("acme")
    [event] = office.told()
    assert event["data"]["period_id"] < event["received_at"][:10]
    assert office.keeping.one("acme", id).used_up == ()
    assert office.used(id)["calls"] == 0
