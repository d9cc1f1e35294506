"""Waiting for a decision over HTTP, the approvals in DynamoDB tables."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from fakes.stores import FakeTimers
from integration.test_list import Product, product
from support.databases import Database
from tocsin.domain.approvals import Approval, Call
from tocsin.domain.keys import ApiKey, Scope, mint
from tocsin.services.approvals.asking import Ask, Asking
from tocsin.services.approvals.deciding import Deciding, Resolve
from tocsin.services.approvals.steps import Steps

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def on(database: Database) -> AsyncIterator[Product]:
    async with product(database) as product_:
        yield product_


def some_key(on: Product, scope: Scope, org: str = "acme") -> tuple[dict[str, str], ApiKey]:
    token, key = mint(org, frozenset({scope}), "test", 0)
    on.stores.keys.put(key)
    return {"Authorization": f"Bearer {token}"}, key


def ask(on: Product, key: ApiKey) -> Approval:
    asking = Asking(Steps(on.stores.approvals, on.clock), FakeTimers())
    call = Call(tool="exec", agent="a", owner=key.holder)
    return asking(key, Ask(call=call, message="may I?"))


async def test_who_asked_learns_of_the_decision(on: Product) -> None:
    headers, key = some_key(on, Scope.INGEST)
    approval = ask(on, key)
    path = f"/v1/approvals/{approval.id}/decision"
    assert (await on.get(path, headers))["status"] == "pending"
    answer = asyncio.create_task(on.get(f"{path}?wait=55", headers))
    await asyncio.sleep(0)
    deciding = Deciding(Steps(on.stores.approvals, on.clock))
    _, maria = some_key(on, Scope.APPROVE)
    await asyncio.to_thread(deciding.resolve, maria, approval.id, Resolve(approved=True))
    told = await answer
    assert told == {
        "id": approval.id,
        "status": "approved",
        "approved": True,
        "expires_at": told["expires_at"],
        "resolved_at": told["resolved_at"],
        "resolved_by": f"key:{maria.id}",
    }


@pytest.mark.parametrize(
    ("scope", "org", "status"),
    [
        (Scope.READ, "acme", 200),
        (Scope.APPROVE, "acme", 200),
        (Scope.ADMIN, "acme", 200),
        (Scope.INGEST, "acme", 403),
        (Scope.ADMIN, "beta", 404),
    ],
)
async def test_who_may_wait(on: Product, scope: Scope, org: str, status: int) -> None:
    approval = ask(on, some_key(on, Scope.INGEST)[1])
    headers, _ = some_key(on, scope, org)
    answer = await on.client.get(f"/v1/approvals/{approval.id}/decision", headers=headers)
    assert answer.status_code == status, answer.text


async def test_what_is_refused(on: Product) -> None:
    headers, key = some_key(on, Scope.INGEST)
    path = f"/v1/approvals/{ask(on, key).id}/decision"
    assert (await on.client.get(path)).status_code == 401
    for query in ("wait=56", "wait=x", "wait=1&wait=2", "since=1"):
        answer = await on.client.get(f"{path}?{query}", headers=headers)
        assert answer.status_code == 400, query
    assert (await on.client.post(path, headers=headers)).status_code == 405
