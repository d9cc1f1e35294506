"""What every implementation of the approvals' port does."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from support.databases import Stores
from tocsin.adapters.dynamodb._state import item_key
from tocsin.adapters.dynamodb.approvals import DynamoApprovals
from tocsin.domain.approvals import Approval, Call, Grant, Rule, Status, Step, rule_name
from tocsin.domain.batch import Batch
from tocsin.domain.errors import IntegrityError
from tocsin.domain.ids import new_batch_id
from tocsin.services.intake.stamp import own_batch

NOW_MS = 1_774_000_000_000
CALL = Call(tool="exec", agent="a", owner="key:1", session="s", tool_call_id="t", input={"x": [1]})
EVENT = {"type": "approval.created"}


def approval(id: str = "apr_1", **changes: object) -> Approval:
    made = Approval(
        org="acme",
        id=id,
        call=CALL,
        digest=CALL.digest,
        rule_digest=CALL.rule_digest,
        key_id="1",
        created_at_ms=NOW_MS,
        expires_at_ms=NOW_MS + 1_000,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


class Writer:
    """Writes each step as told by a batch of its own."""

    def __init__(self, on: Stores) -> None:
        self.on = on
        self.count = 0
        self.batches: list[Batch] = []

    def __call__(self, step: Step, org: str = "acme") -> Step | None:
        self.count += 1
        batch, packed = own_batch(
            org, [EVENT], new_batch_id(NOW_MS, (self.count << 20).to_bytes(10))
        )
        step = step.told_by(batch.id)
        if not self.on.approvals.write(org, step, batch, packed):
            assert self.on.journal.get(org, [batch.id]) == {}
            return None
        assert self.on.journal.get(org, [batch.id]) == {batch.id: batch}
        return step


@pytest.fixture
def write(on: Stores) -> Writer:
    return Writer(on)


def change_record(store: DynamoApprovals, change: Callable[[Any], Any]) -> None:
    """Do what the table's owner can do."""
    key = item_key("approval#acme", "apr_1")
    item: Any = store._client.get_item(TableName=store._table, Key=key)["Item"]
    item["record"]["B"] = json.dumps(change(json.loads(item["record"]["B"]))).encode()
    store._client.put_item(TableName=store._table, Item=item)


class TestApprovals:
    def test_an_approval_comes_back_as_it_was_written(self, on: Stores, write: Writer) -> None:
        made = approval(message="m", reason="r", reminders=1, resolved_reason="w")
        step = write(Step(approvals=(made,)))
        assert step
        assert on.approvals.get("acme", ["apr_1", "apr_2"]) == {"apr_1": step.approvals[0]}
        assert on.approvals.get("acme", ["apr_1"]) == {"apr_1": step.approvals[0]}
        assert on.approvals.get("acme", ["apr_2"]) == {}

    def test_what_signs_its_links_comes_back_through_each_change(
        self, on: Stores, write: Writer
    ) -> None:
        step = write(Step(approvals=(approval(link_secret=b"\x00s" * 16, linked_by="maria"),)))
        assert step
        [linked] = step.approvals
        assert on.approvals.get("acme", ["apr_1"]) == {"apr_1": linked}
        done = linked.resolved(Status.APPROVED, NOW_MS, by="signed-link")
        assert write(Step(approvals=(done,), was={"apr_1": linked.change}))
        found = on.approvals.get("acme", ["apr_1"])["apr_1"]
        assert (found.link_secret, found.linked_by) == (b"\x00s" * 16, "maria")

    def test_of_two_with_one_id_the_first_stays(self, on: Stores, write: Writer) -> None:
        assert write(Step(approvals=(approval(message="first"),)))
        assert not write(Step(approvals=(approval(message="second"),)))
        assert on.approvals.get("acme", ["apr_1"])["apr_1"].message == "first"

    def test_a_step_is_taken_from_where_it_began(self, on: Stores, write: Writer) -> None:
        step = write(Step(approvals=(approval(),)))
        assert step
        [pending] = step.approvals
        done = pending.resolved(Status.APPROVED, NOW_MS + 1, by="maria")
        denied = pending.resolved(Status.DENIED, NOW_MS + 2, by="juan")
        assert write(Step(approvals=(done,), was={"apr_1": pending.change}))
        assert not write(Step(approvals=(denied,), was={"apr_1": pending.change}))
        found = on.approvals.get("acme", ["apr_1"])["apr_1"]
        assert (found.status, found.resolved_by) == (Status.APPROVED, "maria")

    def test_several_are_changed_together_or_not_at_all(self, on: Stores, write: Writer) -> None:
        ids = [f"apr_{n}" for n in range(45)]
        step = write(Step(approvals=tuple(map(approval, ids))))
        assert step
        was = {each.id: each.change for each in step.approvals}
        done = tuple(each.resolved(Status.DENIED, NOW_MS, by="maria") for each in step.approvals)
        grant = Grant(org="acme", run=b"r" * 32, expires_at_ms=NOW_MS, granted_by="maria")
        assert not write(Step(approvals=done, was=was | {"apr_44": "another"}, grant=grant))
        assert on.approvals.pending("acme", 1_000) == sorted(ids)
        assert on.approvals.grant("acme", b"r" * 32) is None
        assert write(Step(approvals=done, was=was, grant=grant))
        assert on.approvals.pending("acme", 1_000) == []
        assert on.approvals.grant("acme", b"r" * 32) == grant

    def test_pending_ones_are_listed_oldest_first(self, on: Stores, write: Writer) -> None:
        for id in ("apr_3", "apr_1", "apr_2"):
            assert write(Step(approvals=(approval(id),)))
        assert on.approvals.pending("acme", 2) == ["apr_1", "apr_2"]
        assert on.approvals.pending("acme", 2, "apr_2") == ["apr_3"]
        assert on.approvals.pending("beta", 2) == []

    def test_one_that_is_approved_from_the_beginning_is_never_pending(
        self, on: Stores, write: Writer
    ) -> None:
        assert write(Step(approvals=(approval().resolved(Status.APPROVED, NOW_MS, by="rule"),)))
        assert on.approvals.pending("acme", 10) == []

    def test_a_reminded_one_stays_pending(self, on: Stores, write: Writer) -> None:
        step = write(Step(approvals=(approval(),)))
        assert step
        [one] = step.approvals
        assert write(Step(approvals=(replace(one, reminders=1),), was={one.id: one.change}))
        assert on.approvals.pending("acme", 10) == ["apr_1"]

    def test_a_call_leads_to_what_it_was_last_asked_for_with(
        self, on: Stores, write: Writer
    ) -> None:
        digest = CALL.digest
        assert on.approvals.asked("acme", digest) == ""
        assert write(Step(approvals=(approval("apr_1"),), asked=((digest, "apr_1", ""),)))
        assert not write(Step(approvals=(approval("apr_2"),), asked=((digest, "apr_2", ""),)))
        assert on.approvals.asked("acme", digest) == "apr_1"
        assert write(Step(approvals=(approval("apr_2"),), asked=((digest, "apr_2", "apr_1"),)))
        assert on.approvals.asked("acme", digest) == "apr_2"
        assert on.approvals.asked("beta", digest) == ""

    def test_a_rule_is_there_until_it_is_removed(self, on: Stores, write: Writer) -> None:
        rule = Rule(
            org="acme",
            digest=CALL.rule_digest,
            agent="a",
            what=CALL.what,
            created_at_ms=NOW_MS,
            created_by="maria",
        )
        assert on.approvals.rule("acme", rule.name) is None
        assert write(Step(rule=rule))
        assert on.approvals.rule("acme", rule_name(CALL.rule_digest)) == rule
        assert (on.approvals.rules("acme"), on.approvals.rules("beta")) == ([rule], [])
        assert write(Step(removed_rule=rule))
        assert not write(Step(removed_rule=rule))
        assert on.approvals.rules("acme") == []

    def test_a_later_versions_approval_can_be_read(self, on: Stores, write: Writer) -> None:
        """What it says beyond this version's words is passed over."""
        step = write(Step(approvals=(approval(),)))
        assert step
        if isinstance(on.approvals, DynamoApprovals):
            change_record(on.approvals, lambda record: record | {"new": 1})
        assert on.approvals.get("acme", ["apr_1"]) == {"apr_1": step.approvals[0]}

    def test_an_earlier_versions_approval_has_no_links(self, on: Stores, write: Writer) -> None:
        step = write(Step(approvals=(approval(),)))
        assert step
        if isinstance(on.approvals, DynamoApprovals):
            before = ("linked_by", "link_secret")
            change_record(
                on.approvals,
                lambda record: {name: record[name] for name in record if name not in before},
            )
        assert on.approvals.get("acme", ["apr_1"]) == {"apr_1": step.approvals[0]}

    def test_what_cannot_be_read_is_nobody_elses_trouble(self, on: Stores, write: Writer) -> None:
        if not isinstance(on.approvals, DynamoApprovals):
            return  # a fake holds approvals, not what could be changed in a table
        step = write(Step(approvals=(approval("apr_1"), approval("apr_2"))))
        assert step
        change_record(on.approvals, lambda record: [record])
        assert on.approvals.get("acme", ["apr_1", "apr_2"]) == {"apr_2": step.approvals[1]}
        with pytest.raises(IntegrityError):
            on.approvals.get("acme", ["apr_1"])

    def test_an_org_sees_only_its_own(self, on: Stores, write: Writer) -> None:
        assert write(Step(approvals=(approval(),)))
        assert on.approvals.get("beta", ["apr_1"]) == {}
        assert on.approvals.get("beta", ["apr_1", "apr_2"]) == {}
