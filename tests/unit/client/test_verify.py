"""Both clients have a ledger checked, step by step, and end where it does not hold."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from support.fake_tocsin import API_KEY, Answer, FakeTocsin, fake_tocsin
from tocsin.client import ApiError, AsyncClient, Backoff, Client, Verified

HOLDS = {"ok": True, "first_bad_seq": None, "reason": None, "next": None}
BACKOFF = Backoff(first_seconds=0.01, max_seconds=0.02)


@pytest.fixture
def tocsin() -> Iterator[FakeTocsin]:
    with fake_tocsin() as server:
        yield server


@pytest.fixture(params=["sync", "async"])
def verify(request: pytest.FixtureRequest, tocsin: FakeTocsin) -> Callable[..., Verified]:
    def sync(*asked: Any, **options: Any) -> Verified:
        with Client(tocsin.url, API_KEY, backoff=BACKOFF) as client:
            return client.verify(*asked, **options)

    def with_asyncio(*asked: Any, **options: Any) -> Verified:
        async def main() -> Verified:
            async with AsyncClient(tocsin.url, API_KEY, backoff=BACKOFF) as client:
                return await client.verify(*asked, **options)

        return asyncio.run(main())

    return sync if request.param == "sync" else with_asyncio


def test_it_goes_on_to_the_end(verify: Callable[..., Verified], tocsin: FakeTocsin) -> None:
    tocsin.faults += [
        Answer(200, body=HOLDS | {"from": 3, "to": 20_002, "next": 20_003}),
        Answer(503),  # is asked again
        Answer(200, body=HOLDS | {"from": 20_003, "to": 30_000}),
    ]
    steps: list[Verified] = []
    assert verify(3, on_step=steps.append) == Verified(True, 3, 30_000)
    assert [step.last_seq for step in steps] == [20_002, 30_000]
    assert tocsin.lists == [{"from": "3"}, {"from": "20003"}, {"from": "20003"}]


def test_the_first_bad_one_ends_it(verify: Callable[..., Verified], tocsin: FakeTocsin) -> None:
    bad = {"ok": False, "first_bad_seq": 7, "reason": "it was changed", "next": 8}
    tocsin.faults += [Answer(200, body=bad | {"from": 1, "to": 6})]
    assert verify(1, 9) == Verified(False, 1, 6, 7, "it was changed")
    assert tocsin.lists == [{"from": "1", "to": "9"}]


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        HOLDS | {"from": 1, "to": "x"},
        HOLDS | {"from": 1, "to": 5, "next": 1},  # would be asked for ever
        HOLDS | {"from": 1, "to": 5, "next": "soon"},
    ],
)
def test_what_is_no_verification_is_told(
    verify: Callable[..., Verified], tocsin: FakeTocsin, body: Any
) -> None:
    tocsin.faults += [Answer(200, body=body)]
    with pytest.raises(httpx.RemoteProtocolError, match="is it Tocsin's URL"):
        verify()


def test_a_refusal_is_raised(verify: Callable[..., Verified], tocsin: FakeTocsin) -> None:
    tocsin.faults += [Answer(403, body={"error": "this key may not read"})]
    with pytest.raises(ApiError, match=r"403 .*may not read"):
        verify()


@pytest.mark.parametrize("asked", [(0,), (5, 4), (-1, None)])
def test_nothing_is_asked_for_what_can_not_be(
    verify: Callable[..., Verified], tocsin: FakeTocsin, asked: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="begin with 1"):
        verify(*asked)
    assert tocsin.lists == []
