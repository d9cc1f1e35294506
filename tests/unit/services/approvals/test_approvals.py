from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from fakes.desk import Desk, key
from tocsin.domain.approvals import Approval, Expiry, Status, Step
from tocsin.domain.errors import (
    Busy,
    Changed,
    Forbidden,
    Malformed,
    NotFound,
    OutcomeUnknown,
    Over,
    PartlyDone,
    QueueFull,
    TooLarge,
)
from tocsin.domain.keys import Scope
from tocsin.services.approvals import asking
from tocsin.services.approvals.deciding import BulkResolve, Resolve


def writing(desk: Desk, write: Any) -> None:
    """Have steps written by this."""
    vars(desk.store)["write"] = write


def waiting(desk: Desk) -> list[str]:
    return [each.id for each in desk.reading.pending(desk.maria, 10)]


YES, NO = Resolve(approved=True), Resolve(approved=False)


class TestAsking:
    def test_a_call_waits_and_is_told_of(self, desk: Desk) -> None:
        approval = desk.ask(session="s", run_id="r", input={"a": 1}, ask={"reason": "tidy"})
        assert approval.pending
        assert approval.expires_at_ms - approval.created_at_ms == 120_000
        assert desk.timers.due == [("acme", approval.id, approval.expires_at_ms)]
        [event] = desk.told
        assert event["type"] == "approval.created"
        assert event["action"] == event["decision"]["action"] == "ask"
        assert event["request"] == {
            "tool": "exec",
            "command": "rm -rf build",
            "input": {"a": 1},
            "approval_id": approval.id,
        }
        assert (event["agent_id"], event["session_id"], event["run_id"]) == ("claude", "s", "r")

    def test_the_same_tool_call_asked_again_is_the_same_approval(self, desk: Desk) -> None:
        first = desk.ask(tool_call_id="t")
        assert desk.ask(tool_call_id="t") == first
        assert desk.types == ["approval.created"]

    @pytest.mark.parametrize(
        "other",
        [{"command": "rm -rf /"}, {"cwd": "/"}, {"input": {}}, {"session": "s"}, {"run_id": "r"}],
        ids=str,
    )
    def test_a_changed_call_is_asked_anew(self, desk: Desk, other: dict[str, Any]) -> None:
        assert desk.ask(tool_call_id="t").id != desk.ask(tool_call_id="t", **other).id

    def test_another_keys_call_is_another(self, desk: Desk) -> None:
        other = key(Scope.INGEST)
        assert desk.ask(tool_call_id="t").id != desk.ask(other, tool_call_id="t").id

    def test_calls_without_an_id_are_never_the_same(self, desk: Desk) -> None:
        assert desk.ask().id != desk.ask().id

    def test_what_was_resolved_is_asked_anew(self, desk: Desk) -> None:
        first = desk.ask(tool_call_id="t")
        desk.deciding.resolve(desk.maria, first.id, YES)
        again = desk.ask(tool_call_id="t")
        assert again.pending
        assert again.id != first.id
        assert desk.ask(tool_call_id="t") == again

    def test_what_has_expired_is_asked_anew_though_nobody_cleaned_up(self, desk: Desk) -> None:
        first = desk.ask(tool_call_id="t")
        desk.clock.ms = first.expires_at_ms
        assert desk.ask(tool_call_id="t").id != first.id

    def test_credentials_are_neither_stored_nor_told(self, desk: Desk) -> None:
        secret = "sk-0123456789abcdef"  # noqa: S105
        approval = desk.ask(
            command=f"curl -H 'Authorization: Bearer {secret}' x", input={"openai_api_key": secret}
        )
        assert secret not in str(approval)
        assert secret not in str(desk.told)
        assert "[masked:authorization]" in approval.call.command
        other = desk.ask(command="curl -H 'Authorization: Bearer other-one' x", input={})
        assert approval.digest != other.digest

    def test_two_that_differ_in_a_credential_are_two(self, desk: Desk) -> None:
        one = desk.ask(tool_call_id="t", input={"api_key": "one"})
        assert desk.ask(tool_call_id="t", input={"api_key": "two"}).id != one.id

    def test_a_large_call_is_refused(self, desk: Desk) -> None:
        with pytest.raises(TooLarge):
            desk.ask(input="x" * 65_536)
        assert desk.told == []
        assert desk.timers.due == []

    @pytest.mark.parametrize("input", [2**53, "\ud800", {"a": [float("nan")]}], ids=repr)
    def test_what_is_no_json_is_refused(self, desk: Desk, input: Any) -> None:
        with pytest.raises(Malformed):
            desk.ask(input=input)
        assert desk.told == []

    def test_the_queue_is_bounded_for_each_org(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(asking, "MAX_PENDING_APPROVALS", 2)
        first, _ = desk.ask(), desk.ask()
        with pytest.raises(QueueFull):
            desk.ask()
        assert desk.ask(key(Scope.INGEST, org="beta")).pending
        desk.deciding.resolve(desk.maria, first.id, NO)
        assert desk.ask().pending

    def test_twins_at_once_get_one_approval(self, desk: Desk) -> None:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: desk.ask(tool_call_id="t").id, range(24)))
        assert len(set(found)) == 1
        assert desk.types == ["approval.created"]


class TestResolving:
    @pytest.mark.parametrize(("answer", "action"), [(YES, "allow"), (NO, "deny")])
    def test_a_resolution_is_told_of(self, desk: Desk, answer: Resolve, action: str) -> None:
        asked = desk.ask(session="s")
        done = desk.deciding.resolve(
            desk.maria,
            asked.id,
            replace(answer, claimed_by="bob", reason="Authorization: Bearer abcdefgh12345678"),
        )
        assert done.status == ("approved" if answer.approved else "denied")
        assert (done.resolved_by, done.claimed_by) == ("maria@example.com", "bob")
        event = desk.told[-1]
        assert (event["type"], event["action"]) == ("approval.resolved", action)
        assert event["user_id"] == "maria@example.com"
        assert event["request"] == {
            "action": "approval_resolved",
            "tool": "exec",
            "command": "rm -rf build",
            "resolution": done.status,
            "resolved_by": "maria@example.com",
            "claimed_by": "bob",
            "resolved_reason": "Authorization: Bearer [masked:authorization]",
            "approval_id": asked.id,
            "persist_requested": False,
            "persist": False,
        }

    def test_who_asked_cannot_answer(self, desk: Desk) -> None:
        admin = key(Scope.ADMIN)
        asked = desk.ask(admin)
        with pytest.raises(Forbidden):
            desk.deciding.resolve(admin, asked.id, YES)
        assert desk.store.get("acme", [asked.id])[asked.id].pending

    def test_nobody_answers_what_was_asked_for_within_the_same_chain(self, desk: Desk) -> None:
        """Neither above nor below, nor by another branch; and the person is no way around it."""
        both = (Scope.INGEST, Scope.APPROVE)
        root = key(*both, person="maria@example.com")
        child, sister = (
            replace(key(*both, person=root.person), chain=(root.id,)) for _ in range(2)
        )
        grandchild = replace(key(*both, person=root.person), chain=(root.id, child.id))
        family = (root, child, sister, grandchild)
        for asker in family:
            id = desk.ask(by=asker, run_id="r", agent="a", session="s").id
            for answerer in family:
                with pytest.raises(Forbidden):
                    desk.deciding.resolve(answerer, id, YES)
                wanted = replace(bulk([id]), agent="a", session="s", run_id="r")
                with pytest.raises(Forbidden):
                    desk.deciding.resolve_several(answerer, wanted)
            assert desk.deciding.resolve(desk.maria, id, YES).status is Status.APPROVED

    def test_an_approval_of_before_chains_is_its_askers(self, desk: Desk) -> None:
        root = key(Scope.INGEST, Scope.APPROVE)
        child = replace(key(Scope.APPROVE), chain=(root.id,))
        asked = desk.ask(by=root)
        desk.store.approvals["acme", asked.id] = replace(asked, root_key_id="")
        for answerer in (root, child):
            with pytest.raises(Forbidden):
                desk.deciding.resolve(answerer, asked.id, YES)

    def test_only_once(self, desk: Desk) -> None:
        asked = desk.ask()
        desk.deciding.resolve(desk.maria, asked.id, NO)
        with pytest.raises(Over, match=r"denied before, by maria@example\.com"):
            desk.deciding.resolve(desk.maria, asked.id, YES)
        assert desk.types == ["approval.created", "approval.resolved"]

    def test_never_after_its_expiry(self, desk: Desk) -> None:
        asked = desk.ask()
        desk.clock.ms = asked.expires_at_ms
        for _ in range(2):
            with pytest.raises(Over, match="expired"):
                desk.deciding.resolve(desk.maria, asked.id, YES)
        found = desk.store.get("acme", [asked.id])[asked.id]
        assert (found.status, found.resolved_by) == (Status.EXPIRED, "timeout")
        assert desk.types == ["approval.created", "approval.expired"]

    def test_none_of_another_org(self, desk: Desk) -> None:
        asked = desk.ask()
        with pytest.raises(NotFound):
            desk.deciding.resolve(key(Scope.ADMIN, org="beta"), asked.id, YES)

    def test_one_wins_of_eight(self, desk: Desk) -> None:
        for _ in range(20):
            asked = desk.ask()

            def resolve(at: int, id: str = asked.id) -> bool:
                try:
                    answer = Resolve(approved=bool(at % 2), claimed_by=str(at))
                    return bool(desk.deciding.resolve(desk.maria, id, answer))
                except Over:
                    return False

            with ThreadPoolExecutor(8) as pool:
                assert sum(pool.map(resolve, range(8))) == 1
        assert desk.types.count("approval.resolved") == 20

    def test_an_answer_that_was_lost_is_ours(self, desk: Desk) -> None:
        asked = desk.ask()
        write, lost = desk.store.write, iter([True])

        def losing(*step: Any) -> bool:
            written = write(*step)
            if next(lost, False):
                raise OutcomeUnknown("lost")
            return written

        writing(desk, losing)
        assert desk.deciding.resolve(desk.maria, asked.id, YES).status == "approved"
        assert desk.types.count("approval.resolved") == 1

    def test_a_store_that_stays_silent_is_told_as_such(self, desk: Desk) -> None:
        asked = desk.ask()

        def silent(*_: Any) -> bool:
            raise OutcomeUnknown("lost")

        writing(desk, silent)
        with pytest.raises(OutcomeUnknown):
            desk.deciding.resolve(desk.maria, asked.id, YES)


class TestRemembering:
    def test_a_remembered_yes_is_for_this_agent_and_call(self, desk: Desk) -> None:
        asked = desk.ask()
        done = desk.deciding.resolve(desk.maria, asked.id, Resolve(approved=True, persist=True))
        assert done.persisted
        again = desk.ask(key(Scope.INGEST), session="other")
        [rule] = desk.reading.rules(desk.maria)
        assert (again.status, again.resolved_by) == ("approved", f"rule:{rule.name}")
        assert desk.ask(agent="other").pending
        assert desk.ask(command="rm -rf /").pending
        assert desk.ask(key(Scope.INGEST, org="beta")).pending

    def test_a_no_is_not_remembered(self, desk: Desk) -> None:
        done = desk.deciding.resolve(
            desk.maria, desk.ask().id, Resolve(approved=False, persist=True)
        )
        assert not done.persisted
        assert desk.reading.rules(desk.maria) == []

    def test_what_is_forgotten_is_asked_again(self, desk: Desk) -> None:
        desk.deciding.resolve(desk.maria, desk.ask().id, Resolve(approved=True, persist=True))
        [rule] = desk.reading.rules(desk.maria)
        desk.deciding.remove_rule(desk.maria, rule.name)
        assert desk.ask().pending
        assert desk.types[-2:] == ["approval.rule_removed", "approval.created"]
        with pytest.raises(NotFound):
            desk.deciding.remove_rule(desk.maria, rule.name)

    def test_a_changed_credential_is_not_what_was_remembered(self, desk: Desk) -> None:
        asked = desk.ask(input={"api_key": "one"})
        desk.deciding.resolve(desk.maria, asked.id, Resolve(approved=True, persist=True))
        assert desk.ask(input={"api_key": "two"}).pending


RUN: dict[str, Any] = {"agent": "claude", "session": "s", "run_id": "r"}


def bulk(ids: list[str], scope: Any = "pending", *, approve: bool = True) -> BulkResolve:
    return BulkResolve(**RUN, approve=approve, scope=scope, ids=ids)


class TestResolvingSeveral:
    def test_all_of_them_and_one_event_for_the_whole(self, desk: Desk) -> None:
        ids = [desk.ask(**RUN).id for _ in range(3)]
        wanted = replace(bulk(ids), reason="seen them all")
        result = desk.deciding.resolve_several(desk.maria, wanted)
        assert (result.reviewed, result.race_covered, result.grant) == (ids, [], None)
        assert {each["request"]["resolved_reason"] for each in desk.told[3:]} == {"seen them all"}
        found = desk.store.get("acme", ids).values()
        assert {each.resolved_reason for each in found} == {"seen them all"}
        assert desk.types[3:] == [*["approval.resolved_in_bulk"] * 3, "approval.bulk_resolved"]
        assert desk.told[3]["request"]["bulk"] is True
        assert desk.told[-1]["run_id"] == "r"
        assert waiting(desk) == []

    def test_more_than_one_transaction_holds(self, desk: Desk) -> None:
        ids = [desk.ask(**RUN).id for _ in range(100)]
        desk.deciding.resolve_several(desk.maria, bulk(ids, approve=False))
        assert {each.status for each in desk.store.get("acme", ids).values()} == {"denied"}
        assert desk.types.count("approval.bulk_resolved") == 1

    def test_a_race_in_a_later_transaction_says_what_is_left(self, desk: Desk) -> None:
        ids = [desk.ask(**RUN).id for _ in range(100)]
        desk.deciding.resolve(desk.maria, ids[50], NO)
        with pytest.raises(PartlyDone) as caught:
            desk.deciding.resolve_several(desk.maria, bulk(ids))
        assert caught.value.more == {
            "unresolved_reviewed_ids": ids[40:],
            "refresh_required": True,
        }

    def test_one_that_is_resolved_already_stops_all(self, desk: Desk) -> None:
        ids = [desk.ask(**RUN).id for _ in range(3)]
        desk.deciding.resolve(desk.maria, ids[1], NO)
        with pytest.raises(Changed):
            desk.deciding.resolve_several(desk.maria, bulk(ids))
        assert desk.store.get("acme", ids)[ids[0]].pending

    def test_ids_of_other_runs_and_orgs_are_foreign(self, desk: Desk) -> None:
        mine, other = desk.ask(**RUN).id, desk.ask(agent="claude", session="s", run_id="x").id
        foreign = desk.ask(key(Scope.INGEST, org="beta"), **RUN).id
        for id in (other, foreign, "apr_none"):
            with pytest.raises(Malformed):
                desk.deciding.resolve_several(desk.maria, bulk([mine, id]))

    def test_who_asked_for_one_cannot_answer(self, desk: Desk) -> None:
        ids = [desk.ask(**RUN).id, desk.ask(desk.maria, **RUN).id]
        with pytest.raises(Forbidden):
            desk.deciding.resolve_several(desk.maria, bulk(ids))

    def test_a_run_is_approved_with_its_further_calls_for_a_while(self, desk: Desk) -> None:
        ids = [desk.ask(**RUN).id for _ in range(2)]
        grant = desk.deciding.resolve_several(desk.maria, bulk(ids, "run")).grant
        assert grant
        further = desk.ask(**RUN, command="other")
        assert (further.status, further.expires_at_ms) == ("approved", grant.expires_at_ms)
        assert desk.ask(**(RUN | {"run_id": "x"})).pending
        assert desk.ask(key(Scope.INGEST), **RUN).pending  # another owner's
        desk.clock.ms = grant.expires_at_ms
        assert desk.ask(**RUN).pending

    def test_nobody_approves_what_they_have_not_seen(self, desk: Desk) -> None:
        ids = [desk.ask(**RUN).id for _ in range(2)]
        with pytest.raises(Changed):
            desk.deciding.resolve_several(desk.maria, bulk(ids[:1], "run"))
        assert len(waiting(desk)) == 2

    def test_a_run_of_several_owners_is_not_approved_as_one(self, desk: Desk) -> None:
        ids = [desk.ask(**RUN).id, desk.ask(key(Scope.INGEST), **RUN).id]
        with pytest.raises(Malformed, match="owner"):
            desk.deciding.resolve_several(desk.maria, bulk(ids, "run"))

    def test_what_comes_in_meanwhile_is_covered(self, desk: Desk) -> None:
        ids = [desk.ask(**RUN).id]
        write, late = desk.store.write, list[str]()

        def slow(org: str, step: Step, *batch: Any) -> bool:
            if step.grant and not late:
                late.append("")
                late[0] = desk.ask(**RUN, command="late").id
            return write(org, step, *batch)

        writing(desk, slow)
        result = desk.deciding.resolve_several(desk.maria, bulk(ids, "run"))
        assert result.race_covered == late
        assert desk.store.get("acme", late)[late[0]].status == "approved"


class TestExpiring:
    def test_nothing_is_done_before_it_is_due(self, desk: Desk) -> None:
        asked = desk.ask()
        desk.clock.ms = asked.expires_at_ms - 1
        looked = desk.expiring.look("acme", asked.id)
        assert looked
        assert looked.pending
        assert desk.timers.due[1:] == [("acme", asked.id, asked.expires_at_ms)]
        assert desk.types == ["approval.created"]

    def test_it_expires_once(self, desk: Desk) -> None:
        asked = desk.ask()
        desk.clock.ms = asked.expires_at_ms
        for _ in range(2):
            looked = desk.expiring.look("acme", asked.id)
            assert looked
            assert looked.status is Status.EXPIRED
        assert desk.types == ["approval.created", "approval.expired"]
        assert desk.told[-1]["request"]["resolved_by"] == "timeout"

    def test_one_that_is_escalated_reminds_twice(self, desk: Desk) -> None:
        asked = desk.ask(ask={"on_expiry": Expiry.ESCALATE, "ttl_seconds": 100})
        for seconds in (0, 49, 50, 50, 60, 90, 99):
            desk.clock.ms = asked.created_at_ms + seconds * 1_000
            desk.expiring.look("acme", asked.id)
        assert desk.types == ["approval.created", *["approval.reminder"] * 2]
        due = [(at - asked.created_at_ms) // 1_000 for _, _, at in desk.timers.due]
        assert due == [50, 50, 50, 90, 90, 90, 100, 100]
        desk.clock.ms = asked.expires_at_ms
        desk.expiring.look("acme", asked.id)
        assert desk.types[-1] == "approval.expired"

    def test_reminders_that_were_missed_are_one(self, desk: Desk) -> None:
        asked = desk.ask(ask={"on_expiry": Expiry.ESCALATE, "ttl_seconds": 100})
        desk.clock.ms = asked.created_at_ms + 95_000
        desk.expiring.look("acme", asked.id)
        assert desk.types == ["approval.created", "approval.reminder"]
        assert desk.timers.due[-1][2] == asked.expires_at_ms

    def test_a_timer_for_nothing_is_no_harm(self, desk: Desk) -> None:
        assert desk.expiring.look("acme", "apr_none") is None

    def test_a_sweep_finds_those_whose_timers_were_lost(self, desk: Desk) -> None:
        early = [desk.ask() for _ in range(3)]
        desk.clock.ms = early[0].expires_at_ms
        late = desk.ask()
        assert desk.expiring.sweep("acme") == 3
        assert desk.expiring.sweep("acme") == 0
        assert waiting(desk) == [late.id]

    def test_a_resolver_and_the_clock_have_one_winner(self, desk: Desk) -> None:
        """The time ends between the resolver's look at it and its write."""
        write = desk.store.write
        for first in (True, False):
            asked = desk.ask()

            def late(*step: Any, asked: Approval = asked, first: bool = first) -> bool:
                desk.clock.ms = asked.expires_at_ms
                writing(desk, write)
                if first:
                    desk.expiring.look("acme", asked.id)
                written = write(*step)
                desk.expiring.look("acme", asked.id)
                return written

            writing(desk, late)
            if first:
                with pytest.raises(Over, match="expired"):
                    desk.deciding.resolve(desk.maria, asked.id, YES)
            else:
                assert desk.deciding.resolve(desk.maria, asked.id, YES).status == "approved"
        assert desk.types[1::2] == ["approval.expired", "approval.resolved"]


class TestReading:
    def test_an_asking_key_sees_its_own_alone(self, desk: Desk) -> None:
        asked = desk.ask()
        assert desk.reading.one(desk.agent, asked.id) == asked
        assert desk.reading.one(key(Scope.READ), asked.id) == asked
        with pytest.raises(Forbidden):
            desk.reading.one(key(Scope.INGEST), asked.id)
        with pytest.raises(NotFound):
            desk.reading.one(key(Scope.ADMIN, org="beta"), asked.id)

    def test_those_whose_time_is_over_do_not_wait(self, desk: Desk) -> None:
        asked = desk.ask()
        desk.clock.ms = asked.expires_at_ms
        assert waiting(desk) == []


def test_others_that_keep_changing_the_same_are_told_as_busy(desk: Desk) -> None:
    asked = desk.ask()
    writing(desk, lambda *_: False)
    with pytest.raises(Busy):
        desk.deciding.resolve(desk.maria, asked.id, YES)
