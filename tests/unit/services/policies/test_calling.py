"""A call is decided, recorded, and asked about once."""

from typing import Any

import pytest

from fakes.desk import Desk, key
from fakes.stores import (
    FakeAgentStates,
    FakeBudgets,
    FakeKeyRing,
    FakeKeys,
    FakeOrgs,
    FakePolicies,
    FakeQuota,
    FakeSessionStates,
)
from tocsin.domain.approvals import Call
from tocsin.domain.errors import Busy, Changed, Invalid, OutcomeUnknown, QuotaExhausted
from tocsin.domain.keys import Scope
from tocsin.domain.org import Org
from tocsin.domain.policy import Decision
from tocsin.domain.privacy import Privacy
from tocsin.domain.sessions import SessionStatus
from tocsin.services.agents.known import Known
from tocsin.services.agents.registering import Registering
from tocsin.services.approvals.deciding import Resolve
from tocsin.services.budgets.holding import Holding
from tocsin.services.intake.allowance import Allowance
from tocsin.services.intake.recording import Recording
from tocsin.services.intake.screening import Screening
from tocsin.services.keys.issuing import Issuing
from tocsin.services.keys.writing import Writing
from tocsin.services.policies.calling import Calling, Outcome
from tocsin.services.policies.engine import Situation
from tocsin.services.policies.keeping import Keeping
from tocsin.services.sessions.deciding import Deciding
from tocsin.services.sessions.suspended import Suspended

YES, NO = Resolve(approved=True), Resolve(approved=False)
RM = "rm -rf build"


class Office:
    """A desk with policies: those that come with Tocsin."""

    def __init__(self, limit: int = 100) -> None:
        self.desk = Desk()
        self.privacy = Privacy()
        self.orgs = FakeOrgs()
        self.orgs.put(Org("acme", limit))
        self.policies = FakePolicies(self.desk.journal)
        self.sessions = FakeSessionStates(self.desk.journal)
        self.budgets = FakeBudgets(self.desk.journal)
        self.agents = FakeAgentStates(FakeKeyRing(FakeKeys(), self.desk.journal))
        self.keeping = Keeping(self.policies, self.desk.clock)
        self.calling = Calling(
            self.keeping,
            self.desk.steps,
            self.desk.asking,
            Recording(
                self.desk.journal,
                Allowance(self.orgs.get, FakeQuota(), self.desk.clock),
                Screening(self.desk.clock, lambda org: self.privacy),
                self.desk.clock,
            ),
            self.desk.clock,
            Suspended(self.sessions, self.desk.clock),
            Holding(self.budgets, self.desk.clock),
            Known(self.agents, self.desk.clock),
        )

    def call(self, command: str = RM, **more: Any) -> Outcome:
        call = {"tool": "exec", "agent": "claude", "command": command, "tool_call_id": "t"} | more
        made = Call(owner=self.desk.agent.holder, **call)
        return self.calling.call(self.desk.agent, Situation(org="acme", call=made))

    def resolve(self, outcome: Outcome, answer: Resolve) -> None:
        assert outcome.approval
        self.desk.deciding.resolve(self.desk.maria, outcome.approval.id, answer)


@pytest.fixture
def office() -> Office:
    return Office()


def events(office: Office) -> list[dict[str, Any]]:
    import json

    batches: list[Any] = list(office.desk.journal.batches.values())
    return [json.loads(entry) for batch in batches for entry in batch.entries]


def test_what_is_allowed_is_recorded_as_the_agents(office: Office) -> None:
    outcome = office.call("git status", session="s")
    assert outcome.allowed
    [event] = events(office)
    assert (event["type"], event["action"], event["source"]) == ("tool_call", "allow", "client")
    assert event["decision"]["matched_policies"] == ["allow-all"]
    assert event["request"] == {"tool": "exec", "command": "git status"}
    assert event["session_id"] == "s"


def test_what_is_denied_says_why(office: Office) -> None:
    outcome = office.call("cat ~/.ssh/id_rsa")
    assert (outcome.verdict.decision, outcome.approval) == (Decision.DENY, None)
    assert outcome.verdict.message == "Credentials are not for agents."
    assert events(office)[0]["action"] == "deny"


def test_credentials_are_not_recorded(office: Office) -> None:
    office.call("curl -H 'Authorization: Bearer abcdef123456'")
    assert "abcdef123456" not in str(events(office))


def test_an_approved_call_is_allowed_once(office: Office) -> None:
    asked = office.call()
    assert (asked.verdict.decision, asked.allowed) == (Decision.ASK, False)
    again = office.call()
    assert asked.approval and again.approval
    assert again.approval.id == asked.approval.id
    office.resolve(asked, YES)
    assert office.call().allowed
    third = office.call()
    assert third.verdict.decision is Decision.ASK
    assert third.approval
    assert third.approval.id != asked.approval.id


@pytest.mark.parametrize(
    "change", [{"command": "rm -rf /"}, {"cwd": "/"}, {"session": "s"}, {"tool_call_id": "u"}]
)
def test_a_changed_call_is_asked_anew(office: Office, change: dict[str, str]) -> None:
    office.resolve(office.call(), YES)
    assert office.call(**change).verdict.decision is Decision.ASK


def test_an_approval_without_a_tool_call_is_for_nothing_else(office: Office) -> None:
    office.resolve(office.call(tool_call_id=""), YES)
    assert office.call(tool_call_id="").verdict.decision is Decision.ASK


def test_a_denied_call_stays_so(office: Office) -> None:
    office.resolve(office.call(), NO)
    outcome = office.call()
    assert outcome.verdict.decision is Decision.DENY
    assert outcome.verdict.message == "denied by maria@example.com"


def test_an_approval_that_is_too_old_is_asked_anew(office: Office) -> None:
    asked = office.call()
    office.resolve(asked, YES)
    assert asked.approval
    office.desk.clock.ms = asked.approval.expires_at_ms
    assert office.call().verdict.decision is Decision.ASK


def test_a_used_up_approval_cannot_be_used_by_a_twin(office: Office) -> None:
    asked = office.call()
    office.resolve(asked, YES)
    assert asked.approval
    approval = office.desk.store.get("acme", [asked.approval.id])[asked.approval.id]
    assert office.calling._consumed(approval)
    assert not office.calling._consumed(approval)


def test_what_a_rule_remembers_is_allowed(office: Office) -> None:
    office.resolve(office.call(), Resolve(approved=True, persist=True))
    office.call()
    assert office.call(tool_call_id="later").allowed


def test_in_a_suspended_session_all_is_denied(office: Office) -> None:
    deciding = Deciding(office.sessions, office.desk.clock)
    maria = office.desk.maria
    assert office.call("ls", session="s").allowed
    deciding.set(maria.org, maria.holder, "s", SessionStatus.SUSPENDED, "it deletes too much")
    office.desk.clock.ms += 3_000
    outcome = office.call("ls", session="s")
    assert (outcome.allowed, outcome.verdict.message[:24]) == (False, "the session is suspended")
    assert office.call("ls", session="t").allowed
    deciding.set(maria.org, maria.holder, "s", SessionStatus.ACTIVE, "")
    office.desk.clock.ms += 3_000
    assert office.call("ls", session="s").allowed


def registering(office: Office) -> Registering:
    desk = office.desk
    issuing = Issuing(Writing(FakeKeys(), FakeKeyRing(FakeKeys(), desk.journal), desk.clock))
    return Registering(office.agents, issuing, desk.clock)


def test_a_retired_agents_calls_are_denied_until_it_is_brought_back(office: Office) -> None:
    admin, agents = key(Scope.ADMIN), registering(office)
    assert office.call("ls").allowed
    agents.retire(admin, "claude", "replaced")
    office.desk.clock.ms += 3_000
    outcome = office.call("ls")
    assert (outcome.allowed, outcome.verdict.message[:20]) == (False, "the agent is retired")
    assert events(office)[-1]["action"] == "deny"
    assert office.call("ls", agent="gpt").allowed
    agents.change(admin, "claude", {}, bring_back=True)
    office.desk.clock.ms += 3_000
    assert office.call("ls").allowed


def test_policies_see_the_labels_that_an_agent_has_by_now(office: Office) -> None:
    admin, agents = key(Scope.ADMIN), registering(office)
    text = 'permit(principal, action, resource) when { principal.labels.contains("team=a") };'
    office.keeping.put(admin, text, None)
    assert not office.call("ls").allowed
    agents.change(admin, "claude", {"labels": {"team": "a"}})
    office.desk.clock.ms += 3_000
    assert office.call("ls").allowed
    assert not office.call("ls", agent="gpt").allowed


def test_what_was_approved_before_its_agent_was_retired_is_denied(office: Office) -> None:
    office.resolve(office.call(), YES)
    registering(office).retire(key(Scope.ADMIN), "claude", "")
    office.desk.clock.ms += 3_000
    assert office.call().verdict.decision is Decision.DENY


def test_where_it_can_not_be_known_nothing_is_allowed(office: Office) -> None:
    def busy(*_: object) -> Any:
        raise Busy("throttled")

    vars(office.agents)["get"] = busy
    with pytest.raises(Busy):
        office.call("ls")


def test_a_preflight_leaves_no_trace(office: Office) -> None:
    call = Call(tool="exec", agent="a", owner="o", command=RM)
    outcome = office.calling.preflight(Situation(org="acme", call=call))
    assert outcome.verdict.decision is Decision.ASK
    assert events(office) == []


def test_what_cannot_be_recorded_is_not_allowed() -> None:
    office = Office(limit=1)
    assert office.call("git status").allowed
    with pytest.raises(QuotaExhausted):
        office.call("git status")
    with pytest.raises(QuotaExhausted):
        office.call()


class TestKeeping:
    def test_a_new_version_decides_at_once_and_is_told(self, office: Office) -> None:
        admin = key(Scope.ADMIN, person="ada")
        assert office.call("ls").allowed
        policies = office.keeping.put(admin, "", 0)
        assert (policies.version, policies.created_by) == (1, "ada")
        assert not office.call("ls").allowed
        told = [each for each in events(office) if each["type"] == "tocsin.policies_changed"]
        assert told[0]["request"] == {"version": 1, "policies": ""}
        assert told[0]["source"] == "tocsin"

    def test_another_org_keeps_its_own(self, office: Office) -> None:
        office.keeping.put(key(Scope.ADMIN), "", None)
        assert office.keeping.current("beta").version == 0

    def test_a_version_that_is_not_the_next_is_refused(self, office: Office) -> None:
        admin = key(Scope.ADMIN)
        office.keeping.put(admin, "", 0)
        with pytest.raises(Changed):
            office.keeping.put(admin, "", 0)
        assert office.keeping.put(admin, "", 1).version == 2

    def test_what_is_no_policy_is_not_kept(self, office: Office) -> None:
        with pytest.raises(Invalid):
            office.keeping.put(key(Scope.ADMIN), "permit", None)
        assert office.keeping.current("acme").version == 0

    def test_a_lost_answer_makes_no_second_version(self, office: Office) -> None:
        put, lost = office.policies.put, iter([True])

        def losing(*step: Any) -> bool:
            written = put(*step)
            if next(lost, False):
                raise OutcomeUnknown("lost")
            return written

        vars(office.policies)["put"] = losing
        assert office.keeping.put(key(Scope.ADMIN), "", 0).version == 1
        assert len(events(office)) == 1
