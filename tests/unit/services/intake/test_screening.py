"""What becomes of events before they are stored: masked, flagged, refused, priced, tagged."""

import json
from typing import Any

import pytest

from fakes.ingestion import World
from fakes.stores import FakePrivacySettings
from tocsin.domain.batch import Batch
from tocsin.domain.canonical import parse
from tocsin.domain.errors import Busy, Invalid
from tocsin.domain.limits import MAX_EVENT_BYTES
from tocsin.domain.privacy import KeptPrivacy, Pii, Privacy, TagRule
from tocsin.services.intake.screening import remembered

KEY = "AKIAIOSFODNN7EXAMPLE"
CALL = {"type": "tool_call", "toolName": "t"}
COMPLETION = {
    "type": "completion",
    "toolName": "claude-sonnet-4-5",
    "model": "claude-sonnet-4-5",
    "provider": "anthropic",
    "promptTokens": 1_000_000,
    "completionTokens": 100_000,
}


@pytest.fixture
def world() -> World:
    return World()


def stored(world: World, body: Any, *, partial: bool = False) -> list[dict[str, Any]]:
    world.ingest(world.request(body, partial=partial))
    [batch] = list(world.journal.batches.values())[-1:]
    assert isinstance(batch, Batch)
    return [parse(entry) for entry in batch.entries]


class TestCredentials:
    def test_a_credential_is_not_in_what_is_stored(self, world: World) -> None:
        [event] = stored(world, CALL | {"data": f"key {KEY}", "masked": ["nothing"]})
        assert event["data"] == "key [masked:aws_access_key]"
        assert event["masked"] == ["aws_access_key"]

    def test_also_where_it_is_escaped(self, world: World) -> None:
        escaped = "".join(f"\\u{ord(each):04x}" for each in KEY)
        body = json.dumps(CALL | {"data": "KEY"}).replace("KEY", escaped)
        world.ingest(world.request(body.encode()))
        [batch] = world.journal.batches.values()
        assert isinstance(batch, Batch)
        assert KEY.encode() not in batch.entries[0]

    def test_what_is_clean_is_stored_as_it_was(self, world: World) -> None:
        [event] = stored(world, CALL | {"data": "nothing"})
        assert "masked" not in event
        assert "pii_detected" not in event

    def test_a_name_that_grows_beyond_its_limit_is_a_marker(self, world: World) -> None:
        [event] = stored(world, CALL | {"sessionId": "x" * 230 + f" pwd='{'a'}'   "})
        assert len(event["session_id"]) <= 256
        [event] = stored(world, CALL | {"sessionId": "x" * 240 + " pwd='a'"})
        assert event["session_id"] == "[masked:password]"

    def test_an_event_that_grows_beyond_its_limit_is_refused(self, world: World) -> None:
        pairs = "pwd='a' " * (MAX_EVENT_BYTES // 9)
        with pytest.raises(Exception, match="bytes and the limit is"):
            stored(world, CALL | {"data": pairs})

    def test_a_repetition_is_the_same_request(self, world: World) -> None:
        body = CALL | {"data": KEY}
        answers = {world.ingest(world.request(body, idempotency_key="k")) for _ in range(2)}
        assert len(answers) == 1
        assert len(world.journal.batches) == 1


class TestPersonalData:
    MAIL = "bob@example.com"

    def test_it_is_flagged_where_nothing_is_set(self, world: World) -> None:
        [event] = stored(world, CALL | {"data": self.MAIL})
        assert (event["data"], event["pii_types"]) == (self.MAIL, ["email"])
        assert event["pii_detected"] is True

    def test_it_is_masked_where_the_org_says_so(self, world: World) -> None:
        world.privacy = Privacy(Pii.MASK)
        [event] = stored(world, CALL | {"data": self.MAIL})
        assert (event["data"], event["masked"]) == ("[masked:email]", ["email"])

    def test_it_is_refused_where_the_org_says_so(self, world: World) -> None:
        world.privacy = Privacy(Pii.REFUSE)
        body = {"events": [CALL, CALL | {"data": self.MAIL}]}
        with pytest.raises(Invalid) as refused:
            stored(world, body)
        [detail] = refused.value.details or []
        assert detail["field"] == "events[1]"
        assert "email" in detail["message"]
        assert self.MAIL not in str(refused.value.details)
        assert not world.journal.batches
        [event] = stored(world, body, partial=True)
        assert "data" not in event

    def test_whoever_can_not_know_the_setting_takes_nothing_in(self, world: World) -> None:
        class Down(FakePrivacySettings):
            def get(self, org: str) -> KeptPrivacy:
                raise Busy("the store does not answer")

        asked = remembered(Down(world.journal), world.clock)
        world.privacy_of = asked
        world.ingest = world.service()
        with pytest.raises(Busy):
            stored(world, CALL)
        assert not world.journal.batches

    def test_the_setting_is_read_every_half_minute(self, world: World) -> None:
        settings = FakePrivacySettings(world.journal)
        world.privacy_of = remembered(settings, world.clock)
        world.ingest = world.service()
        for _ in range(3):
            stored(world, CALL | {"data": self.MAIL})
        assert settings.reads == 1
        settings.kept["acme"] = KeptPrivacy(org="acme", settings=Privacy(Pii.MASK))
        world.clock.ms += 30_000
        [event] = stored(world, CALL | {"data": self.MAIL})
        assert event["data"] == "[masked:email]"
        assert settings.reads == 2


class TestCost:
    def test_a_call_that_does_not_say_its_cost_is_priced(self, world: World) -> None:
        [event] = stored(world, COMPLETION)
        assert event["cost_usd"] > 0
        assert event["cost_estimated"] is True

    def test_cached_tokens_cost_what_they_cost(self, world: World) -> None:
        cached = {"cache_read_input_tokens": 900_000, "cache_creation_input_tokens": "x"}
        [plain] = stored(world, COMPLETION)
        [read] = stored(world, COMPLETION | {"metadata": cached})
        assert read["cost_usd"] < plain["cost_usd"] / 2

    @pytest.mark.parametrize(
        "changed",
        [
            {"costUsd": 0.5},
            {"costUsd": 0},
            {"model": "nobodys-model"},
            {"provider": "nobody"},
            {"promptTokens": 0, "completionTokens": 0},
            {"direction": "request"},
            {"type": "custom"},
        ],
    )
    def test_all_others_stay_as_they_are(self, world: World, changed: Any) -> None:
        [event] = stored(world, COMPLETION | changed)
        assert "cost_estimated" not in event
        assert event.get("cost_usd") == changed.get("costUsd")

    @pytest.mark.parametrize("tokens", [1, 7, 2**53 - 1])
    def test_costs_are_numbers_of_json(self, world: World, tokens: int) -> None:
        said = {"promptTokens": tokens, "metadata": {"cache_read_input_tokens": 2**53 - 1}}
        [event] = stored(world, COMPLETION | said | {"completionTokens": tokens})
        assert 0 < event["cost_usd"] < float("inf")

    def test_a_price_is_of_its_time(self, world: World) -> None:
        world.clock.ms = 1_795_000_000_000
        early = COMPLETION | {"model": "claude-opus-4-6"}
        costs = {
            stored(world, early | {"timestamp": at})[0]["cost_usd"]
            for at in ("2025-02-01T10:00:00Z", "2026-11-01T10:00:00Z", "2925-02-01T10:00:00Z")
        }
        assert len(costs) == 2

    def test_no_sender_says_that_it_was_estimated(self, world: World) -> None:
        [event] = stored(world, COMPLETION | {"costUsd": 1, "cost_estimated": True})
        assert "cost_estimated" not in event


class TestTags:
    RULES = (TagRule("pci", tool="pay*"), TagRule("gdpr", agent="crm-*", model="*-4"))

    @pytest.mark.parametrize(
        ("changed", "tag"),
        [
            ({"toolName": "payout"}, "pci"),
            ({"agentId": "crm-1", "model": "gpt-4"}, "gdpr"),
            ({"agentId": "crm-1", "model": "gpt-4", "toolName": "pay"}, "pci"),
            ({"agentId": "crm-1"}, "default"),
            ({"agentId": "x-crm-1", "model": "gpt-4"}, "default"),
            ({"toolName": "payout", "complianceTag": "own"}, "own"),
        ],
    )
    def test_the_first_rule_that_fits_holds(self, world: World, changed: Any, tag: str) -> None:
        world.privacy = Privacy(tags=self.RULES)
        [event] = stored(world, CALL | changed)
        assert event["compliance_tag"] == tag
