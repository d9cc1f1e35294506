import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from fakes.desk import Desk, key
from support.waiting import until
from tocsin.domain.approvals import Approval
from tocsin.domain.errors import Busy, Forbidden, IntegrityError, LimitReached, Malformed, NotFound
from tocsin.domain.keys import ApiKey, Scope
from tocsin.services.approvals import waiting
from tocsin.services.approvals.deciding import Resolve
from tocsin.services.approvals.waiting import Waiting

LOOK_SECONDS = 0.01


class Door:
    """Lets in those who say whose key they have."""

    def __init__(self, *keys: ApiKey) -> None:
        self.keys = {each.id: each for each in keys}

    def __call__(self, presented: Any) -> ApiKey:
        return self.keys[presented]


async def decision(room: Waiting, who: ApiKey, id: str, wait: int | str = 55) -> dict[str, Any]:
    pieces = [piece async for piece in room.decision(who.id, id, [("wait", str(wait))])]
    answer: dict[str, Any] = json.loads(b"".join(pieces))
    return answer


def room(desk: Desk, *keys: ApiKey) -> Waiting:
    door = Door(desk.agent, desk.maria, *keys)
    return Waiting(desk.store, desk.reading, door, LOOK_SECONDS)


async def someone_waits(desk: Desk, at: Waiting, count: int = 1) -> None:
    await asyncio.to_thread(until, lambda: at.count == count, f"{count} wait")


def test_it_answers_when_it_is_decided(desk: Desk) -> None:
    asked = desk.ask()

    async def run() -> dict[str, Any]:
        here = room(desk)
        answer = asyncio.create_task(decision(here, desk.agent, asked.id))
        await someone_waits(desk, here)
        await asyncio.to_thread(desk.deciding.resolve, desk.maria, asked.id, Resolve(approved=True))
        return await answer

    answer = asyncio.run(run())
    assert (answer["status"], answer["approved"]) == ("approved", True)
    assert answer["resolved_by"] == "maria@example.com"


@pytest.mark.parametrize("approved", [True, False])
def test_what_is_decided_is_answered_at_once(desk: Desk, approved: bool) -> None:
    asked = desk.ask()
    desk.deciding.resolve(desk.maria, asked.id, Resolve(approved=approved))
    answer = asyncio.run(decision(room(desk), desk.maria, asked.id))
    assert answer["approved"] is approved


def test_one_that_expires_is_answered(desk: Desk) -> None:
    asked = desk.ask()

    async def run() -> dict[str, Any]:
        here = room(desk)
        answer = asyncio.create_task(decision(here, desk.agent, asked.id))
        await someone_waits(desk, here)
        desk.clock.ms = asked.expires_at_ms
        desk.expiring.look("acme", asked.id)
        return await answer

    answer = asyncio.run(run())
    assert (answer["status"], answer["approved"]) == ("expired", False)


def test_after_the_time_it_says_how_it_stands(desk: Desk) -> None:
    asked = desk.ask()
    for wait in (0, 1):
        answer = asyncio.run(decision(room(desk), desk.agent, asked.id, wait))
        assert (answer["status"], answer["approved"]) == ("pending", None)


@pytest.mark.parametrize("wait", ["56", "-1", "1.5", "soon", ""])
def test_another_wait_is_refused(desk: Desk, wait: str) -> None:
    with pytest.raises(Malformed, match="55 at most"):
        asyncio.run(decision(room(desk), desk.agent, desk.ask().id, wait))


def test_only_who_may_see_it_may_wait_for_it(desk: Desk) -> None:
    asked, other, beta = desk.ask(), key(Scope.INGEST), key(Scope.ADMIN, org="beta")
    here = room(desk, other, beta)
    with pytest.raises(Forbidden):
        asyncio.run(decision(here, other, asked.id))
    with pytest.raises(NotFound):
        asyncio.run(decision(here, beta, asked.id))
    assert here.count == 0


def test_many_who_wait_share_the_looks(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = desk.ask()
    looks = Counter[int]()

    async def run() -> list[dict[str, Any]]:
        here = room(desk)
        answers = [asyncio.create_task(decision(here, desk.agent, asked.id)) for _ in range(200)]
        await someone_waits(desk, here, 200)
        get = desk.store.get

        def counted(org: str, ids: Sequence[str]) -> Mapping[str, Approval]:
            looks[len(ids)] += 1
            return get(org, ids)

        monkeypatch.setattr(desk.store, "get", counted)
        await asyncio.to_thread(desk.deciding.resolve, desk.maria, asked.id, Resolve(approved=True))
        found = await asyncio.gather(*answers)
        assert here.count == 0
        await asyncio.to_thread(until, lambda: not here.looking, "nobody looks any more")
        return found

    assert {answer["status"] for answer in asyncio.run(run())} == {"approved"}
    assert looks.keys() == {1}
    assert looks[1] < 50


def test_a_store_that_throttles_is_asked_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = desk.ask()

    async def run() -> dict[str, Any]:
        here = room(desk)
        answer = asyncio.create_task(decision(here, desk.agent, asked.id))
        await someone_waits(desk, here)
        desk.deciding.resolve(desk.maria, asked.id, Resolve(approved=True))
        get, busy = desk.store.get, iter([True, True])

        def throttling(org: str, ids: Sequence[str]) -> Mapping[str, Approval]:
            if next(busy, False):
                raise Busy("throttled")
            return get(org, ids)

        monkeypatch.setattr(desk.store, "get", throttling)
        return await answer

    assert asyncio.run(run())["status"] == "approved"


def test_a_broken_approval_is_its_own_waiters_trouble(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = desk.ask(), desk.ask()

    async def run() -> tuple[Any, Any]:
        here = room(desk)
        waits = [asyncio.create_task(decision(here, desk.agent, each.id)) for each in (bad, good)]
        await someone_waits(desk, here, 2)
        desk.deciding.resolve(desk.maria, good.id, Resolve(approved=True))
        get = desk.store.get

        def tampered(org: str, ids: Sequence[str]) -> Mapping[str, Approval]:
            if ids == [bad.id]:
                raise IntegrityError("acme", 1, "an approval is malformed")
            return get(org, [id for id in ids if id != bad.id])

        monkeypatch.setattr(desk.store, "get", tampered)
        broken, fine = await asyncio.gather(*waits, return_exceptions=True)
        return broken, fine

    broken, fine = asyncio.run(run())
    assert isinstance(broken, IntegrityError)
    assert fine["status"] == "approved"


def test_who_leaves_gives_back_the_seat(desk: Desk) -> None:
    asked = desk.ask()

    async def run() -> None:
        here = room(desk)
        answer = asyncio.create_task(decision(here, desk.agent, asked.id))
        await someone_waits(desk, here)
        answer.cancel()
        await asyncio.wait([answer])
        assert here.count == 0
        await asyncio.to_thread(until, lambda: not here.looking, "nobody looks any more")

    asyncio.run(run())


def test_an_orgs_waiters_are_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "WAITS_AT_ONCE_PER_ORG", 1)
    asked = desk.ask()

    async def run() -> None:
        here = room(desk)
        first = asyncio.create_task(decision(here, desk.agent, asked.id))
        await someone_waits(desk, here)
        with pytest.raises(LimitReached):
            await decision(here, desk.agent, asked.id)
        first.cancel()
        await asyncio.wait([first])

    asyncio.run(run())
