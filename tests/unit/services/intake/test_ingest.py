"""Ingestion: what is answered, what is stored, and what is counted."""

import gzip
import json

import pytest

from fakes.ingestion import EVENT, World
from fakes.stores import FakeJournal
from tocsin.domain.batch import Batch
from tocsin.domain.errors import (
    Busy,
    Forbidden,
    Invalid,
    Malformed,
    OutcomeUnknown,
    QuotaExhausted,
    TooLarge,
    Unauthenticated,
    UnsupportedMedia,
)
from tocsin.domain.keys import Scope, mint
from tocsin.domain.org import Org


@pytest.fixture
def world() -> World:
    return World()


def test_the_answer_is_igris(world: World) -> None:
    assert world.post({"events": [EVENT, EVENT]}) == {
        "data": {"ingested": 2, "rejected": 0},
        "meta": {"remainingQuota": 98},
    }


def test_an_event_is_stamped_and_given_its_defaults(world: World) -> None:
    world.post(EVENT | {"id": "mine"})
    (event,) = world.stored
    assert event.pop("id").startswith("evt_01")
    assert event == {
        "action": "log",
        "compliance_tag": "default",
        "received_at": "2026-03-20T09:46:40.000Z",
        "session_id": f"ses_{world.key.id}",
        "source": "client",
        "source_id": "mine",
        "timestamp": "2026-03-20T09:46:40.000Z",
        "tool_name": "t",
        "type": "tool_call",
    }


def test_null_says_nothing(world: World) -> None:
    world.post(EVENT | {"sessionId": None, "timestamp": None, "action": "", "model": None})
    (event,) = world.stored
    assert event["session_id"] == f"ses_{world.key.id}" and event["action"] == "log"
    assert "model" not in event


def test_one_request_is_one_batch(world: World) -> None:
    world.post({"events": [EVENT] * 50})
    assert len(world.journal.batches) == 1 and len(world.stored) == 50


def test_partial(world: World) -> None:
    answer = world.post({"events": [EVENT, {"type": "custom"}]}, partial=True)
    assert answer["data"] == {
        "ingested": 1,
        "rejected": 1,
        "errors": [
            {"index": 1, "details": [{"field": "events[1].toolName", "message": "Required"}]}
        ],
    }
    assert answer["meta"] == {"remainingQuota": 99}
    answer = world.post({"type": "custom"}, partial=True)
    assert answer["data"]["ingested"] == 0 and answer["meta"] == {"remainingQuota": 99}


def test_fields_without_a_place_are_named(world: World) -> None:
    assert world.post(EVENT | {"colour": "red"})["meta"]["ignoredFields"] == ["colour"]


class TestRefusals:
    @pytest.mark.parametrize("header", [None, "", "Basic x", "Bearer ", "Bearer tocsin_acme_a_b"])
    def test_401(self, world: World, header: str | None) -> None:
        with pytest.raises(Unauthenticated):
            world.post(EVENT, authorization=header)

    def test_403_without_the_scope(self, world: World) -> None:
        token, key = mint("acme", frozenset({Scope.READ}), "n", 1)
        world.keys.put(key)
        with pytest.raises(Forbidden, match="scope ingest"):
            world.post(EVENT, authorization=f"Bearer {token}")

    @pytest.mark.parametrize("media", [None, "", "text/plain", "application/x-www-form-urlencoded"])
    def test_415(self, world: World, media: str | None) -> None:
        with pytest.raises(UnsupportedMedia):
            world.post(EVENT, content_type=media)

    def test_a_charset_is_fine(self, world: World) -> None:
        world.post(EVENT, content_type="Application/JSON; charset=utf-8")

    def test_413_of_the_body(self, world: World) -> None:
        with pytest.raises(TooLarge, match="4,194,304"):
            world.post(b" " * (4 * 1024 * 1024) + b"{}")

    def test_413_of_an_event(self, world: World) -> None:
        events = [EVENT, EVENT | {"metadata": {"a": "x" * 256 * 1024}}]
        with pytest.raises(TooLarge, match=r"events\[1\].*262,144"):
            world.post({"events": events})

    def test_nothing_refused_uses_quota(self, world: World) -> None:
        with pytest.raises(Invalid):
            world.post({"events": [EVENT, {}]})
        assert (world.used, world.stored) == (0, [])


class TestGzip:
    def test_is_inflated(self, world: World) -> None:
        world.post(gzip.compress(json.dumps(EVENT).encode()), content_encoding="gzip")
        assert len(world.stored) == 1

    def test_a_bomb_is_refused_at_the_limit(self, world: World) -> None:
        with pytest.raises(TooLarge, match="inflated"):
            world.post(gzip.compress(b" " * 100_000_000), content_encoding="gzip")

    @pytest.mark.parametrize("body", [b"{}", gzip.compress(b"{}" * 500, mtime=0)[:-20], b""])
    def test_a_body_that_is_not_gzip_is_refused(self, world: World, body: bytes) -> None:
        with pytest.raises(Malformed, match="gzip"):
            world.post(body, content_encoding="gzip")

    def test_other_encodings_are_refused(self, world: World) -> None:
        with pytest.raises(UnsupportedMedia, match="br"):
            world.post(EVENT, content_encoding="br")


class TestQuota:
    def test_429_says_when_it_is_renewed(self, world: World) -> None:
        world.post({"events": [EVENT] * 60})
        with pytest.raises(QuotaExhausted, match="40 of 100 are left") as caught:
            world.post({"events": [EVENT] * 41})
        # 2026-03-20T09:46:40Z to 2026-04-01T00:00:00Z
        assert caught.value.retry_after_seconds == 11 * 86_400 + 14 * 3_600 + 13 * 60 + 20 + 1
        assert world.used == 60

    def test_a_raised_limit_holds_within_a_minute(self, world: World) -> None:
        world.post({"events": [EVENT] * 100})
        world.orgs.put(Org("acme", 101))
        world.clock.ms += 60_000
        assert world.post(EVENT)["meta"]["remainingQuota"] == 0

    def test_a_write_that_failed_gives_it_back(self, world: World) -> None:
        class Failing(FakeJournal):
            def put(self, batch: Batch, packed: bytes) -> None:
                raise Busy("throttled")

        world.journal = Failing()
        world.__post_init__()
        with pytest.raises(Busy):
            world.post(EVENT)
        assert world.used == 0

    def test_a_write_that_may_have_happened_keeps_it(self, world: World) -> None:
        class Unsure(FakeJournal):
            def put(self, batch: Batch, packed: bytes) -> None:
                raise OutcomeUnknown("no answer")

        world.journal = Unsure()
        world.__post_init__()
        with pytest.raises(OutcomeUnknown):
            world.post(EVENT)
        assert world.used == 1


def test_a_revoked_key_stops_within_a_minute(world: World) -> None:
    world.post(EVENT)
    world.keys.put(world.key.revoked(world.clock.ms))
    world.clock.ms += 59_000
    with pytest.raises(Unauthenticated):
        world.post(EVENT)
