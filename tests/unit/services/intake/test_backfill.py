"""Imported events: marked by the request alone."""

import json
from dataclasses import replace
from typing import Any

import pytest

from fakes.ingestion import EVENT, World
from tocsin.domain.errors import Conflict, Forbidden


@pytest.fixture
def world() -> World:
    return World()


def stored(world: World) -> list[dict[str, Any]]:
    batches: list[Any] = list(world.journal.batches.values())
    return [json.loads(entry) for batch in batches for entry in batch.entries]


def test_every_event_of_an_import_says_so(world: World) -> None:
    body = {"events": [EVENT, EVENT | {"backfill": False}]}
    world.post(body, backfill=True)
    assert [event["backfill"] for event in stored(world)] == [True, True]


@pytest.mark.parametrize("claim", [True, "true", 1, False])
def test_no_sender_can_say_so_in_an_event(world: World, claim: Any) -> None:
    answer = world.post(EVENT | {"backfill": claim})
    assert answer["meta"]["ignoredFields"] == ["backfill"]
    assert "backfill" not in stored(world)[0]


def test_with_a_key_it_is_another_request(world: World) -> None:
    first = world.post(EVENT, idempotency_key="k", backfill=True)
    assert world.post(EVENT, idempotency_key="k", backfill=True) == first
    for changes in ({}, {"partial": True}, {"partial": True, "backfill": True}):
        with pytest.raises(Conflict):
            world.post(EVENT, idempotency_key="k", **changes)
    assert len(stored(world)) == 1


def test_an_agent_can_not_hide_what_it_does_in_an_import(world: World) -> None:
    world.keys.put(replace(world.key, agent="claude"))
    with pytest.raises(Forbidden, match="can't import"):
        world.post(EVENT, backfill=True)
    assert stored(world) == []


def test_imports_count_in_the_quota(world: World) -> None:
    assert world.post(EVENT, backfill=True)["meta"]["remainingQuota"] == world.limit - 1
