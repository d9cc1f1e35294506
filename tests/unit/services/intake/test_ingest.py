"""Ingestion: what is answered, what is stored, and what is counted."""

import gzip
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.ingestion import EVENT, World
from fakes.stores import FakeJournal
from tocsin.domain import batch as batches
from tocsin.domain.batch import Batch
from tocsin.domain.errors import (
    Busy,
    Forbidden,
    Invalid,
    Malformed,
    OutcomeUnknown,
    QuotaExhausted,
    Refused,
    TooLarge,
    Unauthenticated,
    UnsupportedMedia,
)
from tocsin.domain.keys import Scope, mint
from tocsin.domain.limits import MAX_DETAILS_PER_REFUSAL, MAX_GZIP_MEMBERS
from tocsin.domain.org import Org
from tocsin.wire.intake.raw import RAW


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


class TestAnAgentsKey:
    @pytest.fixture
    def world(self, world: World) -> World:
        world.keys.put(replace(world.key, agent="claude"))
        return world

    def test_what_names_no_agent_is_that_agents(self, world: World) -> None:
        world.post({"events": [EVENT, EVENT | {"agentId": ""}, EVENT | {"agent_id": "claude"}]})
        assert [event["agent_id"] for event in world.stored] == ["claude"] * 3

    def test_what_names_another_is_refused_and_the_field_is_named(self, world: World) -> None:
        foreign = EVENT | {"agent_id": "gpt"}
        for body, field in (
            (foreign, "agentId"),
            ({"events": [EVENT, foreign]}, "events[1].agentId"),
        ):
            with pytest.raises(Forbidden) as caught:
                world.post(body)
            assert [each["field"] for each in caught.value.details] == [field]
        assert world.stored == []

    def test_partial_leaves_out_what_names_another(self, world: World) -> None:
        events = [{"type": "custom"}, EVENT | {"agentId": "gpt"}, EVENT]
        answer = world.post({"events": events}, partial=True)
        assert (answer["data"]["ingested"], answer["data"]["rejected"]) == (1, 2)
        message = answer["data"]["errors"][1]["details"][0]["message"]
        assert message == "agentId: The key is for the agent 'claude'"
        assert [event["agent_id"] for event in world.stored] == ["claude"]

    def test_a_repetition_is_the_same_batch(self, world: World) -> None:
        for _ in range(2):
            world.post(EVENT, idempotency_key="k")
        assert len(world.stored) == 1

    def test_many_that_name_another_are_told_within_bounds(self, world: World) -> None:
        with pytest.raises(Forbidden) as caught:
            world.post({"events": [EVENT | {"agentId": "gpt"}] * 1_000})
        assert len(caught.value.details) == MAX_DETAILS_PER_REFUSAL


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


def test_partial_leaves_out_an_event_that_is_too_large(world: World) -> None:
    large = EVENT | {"metadata": {"a": "x" * 256 * 1024}}
    answer = world.post({"events": [{}, large, EVENT, large]}, partial=True)
    assert answer["data"]["ingested"] == len(world.stored) == world.used == 1
    assert [error["index"] for error in answer["data"]["errors"]] == [0, 1, 3]
    (detail,) = answer["data"]["errors"][1]["details"]
    assert detail["field"] == "events[1]" and "262,144" in detail["message"]
    assert world.post(large, partial=True)["data"]["errors"][0]["index"] == 0


def test_a_name_with_a_percent_sign_is_named_as_it_is(world: World) -> None:
    events = [EVENT | {"%d": 0}, EVENT | {"data": {"50%": float("nan")}}]
    answer = world.post({"events": events}, partial=True)
    assert answer["meta"] == {"remainingQuota": 99, "ignoredFields": ["%d"]}
    assert answer["data"]["errors"][0]["details"][0]["field"] == "events[1].data.50%"


class Reading(FakeJournal):
    """Reads back what it is given, as the fan-out does."""

    def put(self, batch: Batch, packed: bytes) -> None:
        assert batches.unpack(packed, batch.count) == batch.entries
        batches.check(batch)
        super().put(batch, packed)


numbers = st.sampled_from(["1", "1e20", "1e21", "0.1", "9e15", "-1e-7"])
values = numbers | st.sampled_from(['"\\u0000"', '"\u00e9"', '"x"', "[]", "null", '"\\ud800"'])


@settings(max_examples=30, deadline=None)
@given(
    value=values,
    length=st.sampled_from([0, 1, 30, 12_000, 14_000]),
    count=st.sampled_from([1, 2, 10, 1_000]),
    partial=st.booleans(),
)
def test_what_is_accepted_can_be_read_back(
    value: str, length: int, count: int, partial: bool
) -> None:
    world = World(journal=Reading(), limit=10**6)
    count = min(count, 500_000 // (30 + (len(value) + 1) * length))
    data = ",".join([value] * length)
    body = f'{{"events":[{",".join([f'{{"type":"a.b","data":[{data}]}}'] * count)}]}}'
    try:
        answer = world.post(body.encode(), partial=partial)
    except Refused:
        assert world.stored == [] and world.used == 0
    else:
        assert answer["data"]["ingested"] == len(world.stored) == world.used


def test_a_batch_that_canonical_json_makes_too_large_is_refused(world: World) -> None:
    event = {"type": "a.b", "data": [1e20] * 11_000}
    body = json.dumps({"events": [event] * 75}).replace(" ", "").replace("1e+20", "1e20")
    with pytest.raises(TooLarge, match="1e20 has 21 digits"):
        world.post(body.encode())
    assert (world.stored, world.used) == ([], 0)


def test_an_org_that_is_gone_is_refused_for_good(world: World) -> None:
    world.orgs.orgs.clear()
    with pytest.raises(Forbidden, match="there is no org acme"):
        world.post(EVENT)


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

    def test_all_members_are_read(self, world: World) -> None:
        events = [gzip.compress(json.dumps(EVENT).encode() + b",") for _ in range(3)]
        body = b"".join([gzip.compress(b'{"events":['), *events, gzip.compress(b"{}]}")])
        answer = world.post(body, content_encoding="gzip", partial=True)
        assert answer["data"]["ingested"] == 3 and answer["data"]["errors"][0]["index"] == 3

    @pytest.mark.parametrize("tail", [b"x", b"\0", b"{}", gzip.compress(b" ", mtime=0)[:-1]])
    def test_what_follows_the_last_member_is_refused(self, world: World, tail: bytes) -> None:
        with pytest.raises(Malformed, match="gzip"):
            world.post(gzip.compress(json.dumps(EVENT).encode()) + tail, content_encoding="gzip")
        assert world.stored == []

    def test_members_beyond_a_number_are_refused(self, world: World) -> None:
        body = gzip.compress(json.dumps(EVENT).encode())
        empty = gzip.compress(b"")
        world.post(empty * (MAX_GZIP_MEMBERS - 1) + body, content_encoding="gzip")
        with pytest.raises(Malformed, match="1,000 members"):
            world.post(empty * MAX_GZIP_MEMBERS + body, content_encoding="gzip")

    def test_a_bomb_in_members_is_refused_at_the_limit(self, world: World) -> None:
        with pytest.raises(TooLarge, match="inflated"):
            world.post(gzip.compress(b" " * 2**20) * 100, content_encoding="gzip")

    @pytest.mark.parametrize("encoding", [None, "identity", "gzip"])
    def test_is_a_content_type_of_its_own(self, world: World, encoding: str | None) -> None:
        body = gzip.compress(json.dumps(EVENT).encode())
        world.post(body, content_type="application/gzip", content_encoding=encoding)
        assert len(world.stored) == 1
        with pytest.raises(Malformed, match="gzip"):
            world.post(EVENT, content_type="application/gzip", content_encoding=encoding)

    @pytest.mark.parametrize("encoding", [None, "gzip"])
    def test_bytes_that_became_text_on_their_way(self, world: World, encoding: str | None) -> None:
        mangled = gzip.compress(json.dumps(EVENT).encode()).decode(errors="replace").encode()
        with pytest.raises(Malformed, match="Content-Type: application/gzip"):
            world.post(mangled, content_encoding=encoding)

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


def test_who_sends_into_a_suspended_session_is_told_and_recorded() -> None:
    world = World()
    assert "suspended" not in world.post(EVENT)["data"]
    world.suspended = frozenset({"s", f"ses_{world.key.id}"})
    assert world.post(EVENT | {"sessionId": "s"})["data"]["suspended"] is True
    assert world.post(EVENT)["data"]["suspended"] is True
    assert "suspended" not in world.post(EVENT | {"sessionId": "t"})["data"]
    assert len(world.stored) == 4


class TestAFormatThatKnowsItsRepetitions:
    """Such as those of exporters, which send a request again without an idempotency key."""

    FORMAT = replace(RAW, once=lambda body: "trace-" + json.loads(body)["runId"])

    def test_a_repetition_is_stored_once(self, world: World) -> None:
        request = world.request(EVENT | {"runId": "1"})
        answers = [world.ingest(request, self.FORMAT) for _ in range(2)]
        assert answers[0] == answers[1]
        assert len(world.stored) == 1 and world.used == 1

    def test_another_is_another(self, world: World) -> None:
        for run in ("1", "2"):
            world.ingest(world.request(EVENT | {"runId": run}), self.FORMAT)
        assert len(world.stored) == 2

    def test_what_is_the_same_decides_and_not_its_bytes(self, world: World) -> None:
        for more in ({}, {"model": "m"}):
            world.ingest(world.request(EVENT | {"runId": "1"} | more), self.FORMAT)
        assert len(world.stored) == 1

    def test_an_idempotency_key_comes_first(self, world: World) -> None:
        for key in ("a", "b"):
            request = world.request(EVENT | {"runId": "1"}, idempotency_key=key)
            world.ingest(request, self.FORMAT)
        assert len(world.stored) == 2
