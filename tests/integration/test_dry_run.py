"""A dry run of detection over HTTP, the stores on MiniStack."""

from collections.abc import AsyncIterator

import pytest

from integration.test_list import Product, product
from support.databases import Database
from tocsin.domain.keys import Scope

pytestmark = pytest.mark.anyio
DRY_RUN = "/api/v1/detection/dry-run"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def on(database: Database) -> AsyncIterator[Product]:
    async with product(database) as product_:
        yield product_


async def test_a_dry_run_is_answered_to_those_who_may_read(on: Product) -> None:
    on.seal("acme", 2, tool_name="drop_table", agent_id="a")
    on.clock.ms += 1
    answer = await on.get(f"{DRY_RUN}?kinds=destructive_pattern", on.key("acme"))
    assert (answer["total"], answer["looked_at"], answer["through_seq"]) == (1, 2, 2)
    assert answer["anomalies"][0]["data"]["type"] == "destructive_pattern"
    assert (await on.get(DRY_RUN, on.key("beta")))["looked_at"] == 0
    for query, headers, status in (
        ("?kinds=x", on.key("acme"), 400),
        ("", {}, 401),
        ("", on.key("acme", scopes=frozenset({Scope.INGEST})), 403),
    ):
        assert (await on.client.get(f"{DRY_RUN}{query}", headers=headers)).status_code == status
