"""Signed links: one answer to one approval, for whoever holds them."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from fakes.desk import Desk, key
from tocsin.domain.approvals import Expiry, Status
from tocsin.domain.errors import Conflict, Forbidden, NotFound, OrgSuspended, OutcomeUnknown, Over
from tocsin.domain.keys import Scope
from tocsin.domain.links import Link
from tocsin.domain.org import Org, OrgStatus
from tocsin.services.approvals.deciding import Resolve

YES = Resolve(approved=True)


def link(desk: Desk, id: str, which: str = "approve") -> Link:
    made: Link = getattr(desk.linking.make(desk.maria, id), which)
    return made


class TestMaking:
    def test_the_same_links_each_time_and_told_once(self, desk: Desk) -> None:
        asked = desk.ask(session="s")
        made = desk.linking.make(desk.maria, asked.id)
        assert desk.linking.make(desk.maria, asked.id) == made
        assert made.expires_at_ms == asked.expires_at_ms
        assert made.approve.signature != made.deny.signature
        assert desk.types == ["approval.created", "approval.linked"]
        event = desk.told[-1]
        assert (event["user_id"], event["action"]) == ("maria@example.com", "log")
        assert event["request"]["linked_by"] == "maria@example.com"

    def test_another_person_is_given_others_and_told_of(self, desk: Desk) -> None:
        asked, juan = desk.ask(), key(Scope.APPROVE, person="juan@example.com")
        made = desk.linking.make(desk.maria, asked.id)
        assert desk.linking.make(juan, asked.id).approve.signature != made.approve.signature
        assert [each["user_id"] for each in desk.told[1:]] == [
            "maria@example.com",
            "juan@example.com",
        ]
        assert desk.reading.one(desk.maria, asked.id).linked_by == "juan@example.com"

    def test_neither_the_secret_nor_a_signature_is_told_or_shown(self, desk: Desk) -> None:
        asked = desk.ask()
        made = desk.linking.make(desk.maria, asked.id)
        stored = desk.reading.one(desk.maria, asked.id)
        seen = f"{stored!r} {made!r} {desk.told!r}"
        assert len(stored.link_secret) == 32
        for secret in (repr(stored.link_secret), made.approve.signature, made.deny.signature):
            assert secret not in seen

    def test_by_whoever_could_resolve_it_while_it_waits(self, desk: Desk) -> None:
        asked = desk.ask()
        with pytest.raises(Forbidden, match="asked for itself"):
            desk.linking.make(desk.agent, asked.id)
        for who, id in ((desk.maria, "apr_" + "0" * 26), (desk.maria, "x")):
            with pytest.raises(NotFound):
                desk.linking.make(who, id)
        with pytest.raises(NotFound):
            desk.linking.make(key(Scope.APPROVE, org="beta"), asked.id)
        desk.deciding.resolve(desk.maria, asked.id, YES)
        with pytest.raises(Over, match="approved before, by maria"):
            desk.linking.make(desk.maria, asked.id)
        assert desk.types == ["approval.created", "approval.resolved"]

    def test_one_that_is_found_overdue_expires(self, desk: Desk) -> None:
        asked = desk.ask()
        desk.clock.ms = asked.expires_at_ms
        with pytest.raises(Over, match="expired"):
            desk.linking.make(desk.maria, asked.id)
        assert desk.types == ["approval.created", "approval.expired"]

    def test_without_a_public_address_there_are_none(self, desk: Desk) -> None:
        asked = desk.ask()
        with pytest.raises(Conflict, match="set TOCSIN_PUBLIC_URL"):
            desk.linking_on(desk.steps, None).make(desk.maria, asked.id)
        assert desk.types == ["approval.created"]

    def test_all_who_ask_at_once_are_given_the_same(self, desk: Desk) -> None:
        asked = desk.ask()
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda _: desk.linking.make(desk.maria, asked.id), range(24)))
        assert {each.approve.signature for each in made} == {made[0].approve.signature}
        assert desk.types == ["approval.created", "approval.linked"]

    def test_after_a_lost_answer_the_links_are_those_that_were_made(self, desk: Desk) -> None:
        asked, write = desk.ask(), desk.store.write
        lost = iter([True])

        def forgetful(*args: Any) -> bool:
            done = write(*args)
            if next(lost, False):
                raise OutcomeUnknown("lost")
            return done

        vars(desk.store)["write"] = forgetful
        made = desk.linking.make(desk.maria, asked.id)
        assert desk.linking.resolve(made.approve).status is Status.APPROVED
        assert desk.types == ["approval.created", "approval.linked", "approval.resolved"]


class TestUsing:
    @pytest.mark.parametrize(("which", "status"), [("approve", "approved"), ("deny", "denied")])
    def test_a_link_answers_once(self, desk: Desk, which: str, status: str) -> None:
        asked = desk.ask()
        mine = link(desk, asked.id, which)
        assert desk.linking.look(mine).id == asked.id
        done = desk.linking.resolve(mine, "bob")
        assert (done.status, done.resolved_by, done.claimed_by) == (status, "signed-link", "bob")
        event = desk.told[-1]
        assert event["request"]["resolved_by"] == event["user_id"] == "signed-link"
        assert event["request"]["linked_by"] == "maria@example.com"
        for again in (mine, replace(mine)):
            with pytest.raises(Over, match=f"{status} before, by signed-link"):
                desk.linking.resolve(again)
            with pytest.raises(Over):
                desk.linking.look(again)
        assert desk.types.count("approval.resolved") == 1

    def test_whoever_looks_changes_nothing(self, desk: Desk) -> None:
        asked = desk.ask(ask={"on_expiry": Expiry.ESCALATE})
        mine, before = link(desk, asked.id), None
        for part in (0, 0.6, 0.95, 1, 2):
            now_ms = asked.created_at_ms + int(part * 120_000)
            desk.clock.ms = now_ms
            before = before or desk.reading.one(desk.maria, asked.id)
            if part < 1:
                assert desk.linking.look(mine).pending
            else:
                with pytest.raises(Over, match="expired"):
                    desk.linking.look(mine)
            assert desk.reading.one(desk.maria, asked.id) == before

    def test_never_after_its_expiry(self, desk: Desk) -> None:
        asked = desk.ask()
        mine = link(desk, asked.id)
        desk.clock.ms = asked.expires_at_ms
        with pytest.raises(Over, match="expired"):
            desk.linking.resolve(mine)
        assert desk.types[-1] == "approval.expired"
        desk.clock.ms -= 60_000  # a clock that was set back does not wake it up
        with pytest.raises(Over, match="expired"):
            desk.linking.resolve(mine)

    @pytest.mark.parametrize(
        "change",
        [
            {"approved": False},
            {"ends_at": 9_999_999_999},
            {"org": "beta"},
            {"id": "apr_" + "0" * 26},
            {"key_id": "0" * 12},
            {"key_id": ""},
            {"signature": "A" * 43},
            {"signature": ""},
            {"signature": "é" * 43},
        ],
        ids=str,
    )
    def test_what_was_changed_opens_nothing_and_costs_one_read(
        self, desk: Desk, change: dict[str, Any]
    ) -> None:
        asked = desk.ask()
        mine = link(desk, asked.id)
        get, reads = desk.store.get, list[Any]()

        def counted(*args: Any) -> Any:
            reads.append(args)
            return get(*args)

        vars(desk.store)["get"] = counted
        told = set[str]()
        for use in (desk.linking.look, desk.linking.resolve):
            with pytest.raises(Forbidden) as caught:
                use(replace(mine, **change))
            told.add(str(caught.value))
        assert told == {"this link opens nothing: use it as it was sent, whole"}
        assert len(reads) == 2
        assert desk.reading.one(desk.maria, asked.id).pending

    def test_another_approvals_link_opens_nothing(self, desk: Desk) -> None:
        one, other = desk.ask(), desk.ask()
        link(desk, other.id)
        mine = replace(link(desk, one.id), id=other.id)
        with pytest.raises(Forbidden):
            desk.linking.resolve(mine)

    def test_one_that_has_no_secret_has_no_links(self, desk: Desk) -> None:
        """Asked for by an earlier version, or never linked; an empty secret is no secret."""
        asked = desk.ask()
        forged = Link.of(asked, approved=True, key_id=desk.maria.id)
        assert forged.signature
        with pytest.raises(Forbidden):
            desk.linking.resolve(forged)

    def test_of_all_who_answer_at_once_one_does(self, desk: Desk) -> None:
        asked = desk.ask()
        made = desk.linking.make(desk.maria, asked.id)

        def answer(n: int) -> str:
            try:
                if n % 3 == 0:
                    return desk.deciding.resolve(desk.maria, asked.id, YES).resolved_by
                return desk.linking.resolve(made.approve if n % 3 == 1 else made.deny).resolved_by
            except Over:
                return ""

        with ThreadPoolExecutor(8) as pool:
            won = [by for by in pool.map(answer, range(24)) if by]
        assert len(won) == 1
        assert desk.types.count("approval.resolved") == 1

    def test_who_asks_a_link_before_another_change_loses_nothing(self, desk: Desk) -> None:
        """Links outlive a reminder, which is a change of the state."""
        asked = desk.ask(ask={"on_expiry": Expiry.ESCALATE})
        mine = link(desk, asked.id)
        desk.clock.ms = asked.created_at_ms + 61_000
        assert desk.expiring.look("acme", asked.id)
        assert desk.types[-1] == "approval.reminder"
        assert desk.linking.resolve(mine).status is Status.APPROVED

    @pytest.mark.parametrize("status", [each for each in OrgStatus if each is not OrgStatus.ACTIVE])
    def test_of_an_org_that_is_suspended_it_opens_nothing(
        self, desk: Desk, status: OrgStatus
    ) -> None:
        mine = link(desk, desk.ask().id)
        desk.orgs.put(Org("acme", status=status))
        for use in (desk.linking.look, desk.linking.resolve):
            with pytest.raises(OrgSuspended):
                use(mine)
        desk.orgs.put(Org("acme"))
        assert desk.linking.resolve(mine).status is Status.APPROVED

    @pytest.mark.parametrize("ending", ["revoked", "expired", "gone", "above it", "demoted"])
    def test_it_ends_with_the_key_that_it_was_made_with(self, desk: Desk, ending: str) -> None:
        root = key(Scope.APPROVE, person="maria@example.com")
        maria, asked = replace(key(Scope.APPROVE), chain=(root.id,)), desk.ask()
        for each in (root, maria):
            desk.keys.put(each)
        mine = desk.linking.make(maria, asked.id).approve
        assert desk.linking.look(mine).pending
        if ending == "gone":
            del desk.keys.keys["acme", maria.id]
        else:
            now_ms = desk.clock.ms
            desk.keys.put(
                {
                    "revoked": maria.revoked(now_ms),
                    "expired": replace(maria, expires_at_ms=now_ms),
                    "above it": root.revoked(now_ms),
                    "demoted": replace(maria, scopes=frozenset({Scope.READ})),
                }[ending]
            )
        desk.clock.ms += 30_000
        for use in (desk.linking.look, desk.linking.resolve):
            with pytest.raises(Forbidden) as caught:
                use(mine)
            assert ("that it was made with" in str(caught.value)) is (ending != "demoted")
        assert desk.reading.one(desk.maria, asked.id).pending
        assert desk.linking.resolve(link(desk, asked.id)).status is Status.APPROVED

    def test_who_made_it_is_told_whoever_was_given_others_since(self, desk: Desk) -> None:
        asked, juan = desk.ask(), key(Scope.APPROVE, person="juan@example.com")
        desk.keys.put(juan)
        mine = link(desk, asked.id)
        desk.linking.make(juan, asked.id)
        assert desk.linking.resolve(mine).linked_by == "maria@example.com"
        assert desk.told[-1]["request"]["linked_by"] == "maria@example.com"

    def test_one_of_an_older_version_names_no_key_and_works(self, desk: Desk) -> None:
        asked = desk.ask()
        desk.linking.make(desk.maria, asked.id)
        old = Link.of(desk.reading.one(desk.maria, asked.id), approved=True, key_id="")
        assert desk.linking.resolve(old).linked_by == "maria@example.com"
