"""Killed before and after each call to a store: nothing is told that did not happen, and back."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from fakes.desk import Desk
from tocsin.domain.errors import Over
from tocsin.services.approvals.asking import Asking
from tocsin.services.approvals.deciding import BulkResolve, Deciding, Resolve
from tocsin.services.approvals.expiring import Expiring
from tocsin.services.approvals.steps import Steps

CALLS = 12
RUN: dict[str, Any] = {"agent": "claude", "session": "s", "run_id": "r"}


class Killed(BaseException):
    """The process is gone."""


class Mortal:
    """Counts the calls to all ports, and ends the process at the chosen one."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.left, self.after = at, after

    def wrap(self, port: Any) -> Any:
        return _Port(port, self)

    def around(self, call: Callable[..., Any], *args: Any, **more: Any) -> Any:
        chosen = self.left == 0
        self.left -= 1
        if chosen and not self.after:
            raise Killed
        result = call(*args, **more)
        if chosen:
            raise Killed
        return result


class _Port:
    def __init__(self, port: Any, mortal: Mortal) -> None:
        self._port, self._mortal = port, mortal

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._port, name)
        return lambda *args, **more: self._mortal.around(method, *args, **more)


def killed(act: Callable[[Steps, Any], object], desk: Desk, at: int, *, after: bool) -> None:
    """Act as a process that dies at a call, if it comes to it; to the last it never does."""
    mortal = Mortal(at, after=after)
    try:
        act(Steps(mortal.wrap(desk.store), desk.clock), mortal.wrap(desk.timers))
    except Killed:
        assert at < CALLS - 1, "there are more calls"


def check(desk: Desk) -> None:
    """What is stored is what was told."""
    told = Counter((each["type"], each["request"].get("approval_id")) for each in desk.told)
    assert set(told.values()) <= {1}
    for approval in desk.store.approvals.values():
        assert told["approval.created", approval.id] == 1
        ends = {"approval.resolved", "approval.resolved_in_bulk", "approval.expired"}
        assert sum(told[end, approval.id] for end in ends) == (not approval.pending)
    approvals = {id for type, id in told if type == "approval.created"}
    assert approvals == {approval.id for approval in desk.store.approvals.values()}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(CALLS))
class TestKilled:
    def test_who_asks_asks_again(self, desk: Desk, at: int, after: bool) -> None:
        def ask(steps: Steps, timers: Any) -> None:
            desk.asking = Asking(steps, timers)
            desk.ask(tool_call_id="t")

        whole = desk.asking
        killed(ask, desk, at, after=after)
        check(desk)
        desk.asking = whole
        approval = desk.ask(tool_call_id="t")
        assert approval.pending
        assert len(desk.store.approvals) == 1
        assert approval.id in {id for _, id, _ in desk.timers.due}
        check(desk)

    def test_who_resolves_resolves_again(self, desk: Desk, at: int, after: bool) -> None:
        asked = desk.ask()
        resolve = Resolve(approved=True, persist=True)
        killed(
            lambda steps, _: Deciding(steps).resolve(desk.maria, asked.id, resolve),
            desk,
            at,
            after=after,
        )
        check(desk)
        try:
            desk.deciding.resolve(desk.maria, asked.id, resolve)
        except Over as error:
            assert "approved before, by maria" in str(error)
        check(desk)
        assert len(desk.reading.rules(desk.maria)) == 1

    def test_who_makes_links_and_uses_one_does_it_again(
        self, desk: Desk, at: int, after: bool
    ) -> None:
        asked = desk.ask()

        def act(steps: Steps, _: object = None) -> None:
            linking = desk.linking_on(steps)
            linking.resolve(linking.make(desk.maria, asked.id).approve)

        killed(act, desk, at, after=after)
        check(desk)
        try:
            act(desk.steps)
        except Over as error:
            assert "approved before, by signed-link" in str(error)
        check(desk)
        assert desk.types == ["approval.created", "approval.linked", "approval.resolved"]

    def test_who_resolves_a_run_goes_on_with_the_rest(
        self, desk: Desk, at: int, after: bool
    ) -> None:
        ids = [desk.ask(**RUN).id for _ in range(60)]

        def bulk() -> BulkResolve:
            left = [id for id in ids if desk.store.approvals["acme", id].pending]
            return BulkResolve(**RUN, approve=True, scope="pending", ids=left)

        killed(
            lambda steps, _: Deciding(steps).resolve_several(desk.maria, bulk()),
            desk,
            at,
            after=after,
        )
        check(desk)
        if bulk().ids:
            desk.deciding.resolve_several(desk.maria, bulk())
        check(desk)
        assert not bulk().ids

    def test_what_is_due_is_done_by_the_next(self, desk: Desk, at: int, after: bool) -> None:
        asked = desk.ask()
        desk.clock.ms = asked.expires_at_ms
        killed(
            lambda steps, timers: Expiring(steps, timers).look("acme", asked.id),
            desk,
            at,
            after=after,
        )
        check(desk)
        desk.expiring.sweep("acme")
        check(desk)
        assert desk.types == ["approval.created", "approval.expired"]
