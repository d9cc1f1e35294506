"""The formats that are read by programs: tocsin, cloudevents, kavach."""

import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft7Validator

from support.notified import (
    ATTEMPT_ID,
    HOSTILE,
    LINKS,
    PUBLIC_URL,
    SIGNED,
    a_trial_of,
    answered,
    asked,
    called,
    endpoint,
    found,
    sealed,
    sent,
)
from tocsin import __version__
from tocsin.domain.approvals import Status
from tocsin.domain.endpoints import Format
from tocsin.domain.limits import MAX_THICK_PAYLOAD_BYTES
from tocsin.domain.segment import SealedEvent
from tocsin.wire.notify import signatures

SCHEMA = json.loads((Path(__file__).parent / "schemas" / "cloudevents.json").read_text())
CLOUDEVENTS = Draft7Validator(SCHEMA, validate_formats=True)
LARGE = called(request={"command": "x" * MAX_THICK_PAYLOAD_BYTES}, metadata={"more": "y" * 99_999})


def body(format: Format, event: SealedEvent, **options: Any) -> dict[str, Any]:
    given: dict[str, Any] = json.loads(sent(endpoint(format), event, **options).body)
    return given


@pytest.mark.parametrize("format", SIGNED)
def test_who_sends_it_and_what_it_is_stands_in_the_headers(format: Format) -> None:
    request = sent(endpoint(format), called())
    headers = dict(request.headers)
    assert len(headers) == len(request.headers)
    assert headers["user-agent"] == f"tocsin/{__version__}"
    assert "json" in headers["content-type"]
    assert request.url == endpoint(format).url


def test_a_payload_is_as_standard_webhooks_recommends_and_holds_the_event() -> None:
    event = asked()
    assert body(Format.TOCSIN, event) == {
        "type": "approval.created",
        "timestamp": "2026-03-20T09:46:40.000Z",
        "data": event.parse(),
    }
    assert {"seq", "prev_hash", "hash", "lineage_hash"} <= event.parse().keys()


def test_links_stand_beside_the_event_not_in_it() -> None:
    sent_with = body(Format.TOCSIN, asked(), links=LINKS)
    assert sent_with["links"] == {
        "approve": LINKS.approve_url,
        "deny": LINKS.deny_url,
        "expires_at": "2026-03-20T09:48:40.000Z",
    }
    assert sent_with["data"] == asked().parse()


@pytest.mark.parametrize("format", SIGNED)
def test_a_large_payload_is_thin(format: Format) -> None:
    request = sent(endpoint(format), LARGE)
    id = LARGE.parse()["id"]
    expected = {"id": id, "seq": 12, "href": f"{PUBLIC_URL}/api/v1/events/{id}"}
    thin = json.loads(request.body)
    assert thin["data"] == expected
    assert thin["type"] in ("tool_call", "audit")
    assert len(request.body) < 1_000
    assert dict(request.headers)["webhook-id"] == id


@pytest.mark.parametrize("format", SIGNED)
def test_without_a_public_url_a_thin_payload_has_no_link(format: Format) -> None:
    assert body(format, LARGE, public_url=None)["data"].keys() == {"id", "seq"}


def test_a_payload_is_whole_up_to_the_limit_and_thin_beyond() -> None:
    def sized(chars: int) -> bytes:
        return sent(endpoint(), called(request={"command": "x" * chars})).body

    room = MAX_THICK_PAYLOAD_BYTES - len(sized(0))
    assert len(sized(room)) == MAX_THICK_PAYLOAD_BYTES
    assert json.loads(sized(room))["data"].keys() > {"request"}
    assert json.loads(sized(room + 1))["data"].keys() == {"id", "seq", "href"}


@pytest.mark.parametrize(
    "event", [asked(), found(), called(), LARGE, sealed(type="vendor.thing", data=[1])]
)
def test_a_cloudevent_is_as_its_published_schema_has_it(event: SealedEvent) -> None:
    CLOUDEVENTS.validate(body(Format.CLOUDEVENTS, event))
    headers = dict(sent(endpoint(Format.CLOUDEVENTS), event).headers)
    assert headers["content-type"].startswith("application/cloudevents+json")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_cloudevent_s_attributes_have_no_control_characters(text: str) -> None:
    event = body(Format.CLOUDEVENTS, called(agent_id=text[:256]))
    CLOUDEVENTS.validate(event)
    data = event.pop("data")
    assert all(each.isprintable() for each in event.values())
    assert all(name.isalnum() and name.islower() for name in event)
    assert data["agent_id"] == text[:256]


def test_a_cloudevent_names_its_org_and_its_place() -> None:
    event = body(Format.CLOUDEVENTS, asked())
    del event["data"]
    assert event == {
        "specversion": "1.0",
        "id": asked().parse()["id"],
        "source": "/tocsin/orgs/acme",
        "type": "approval.created",
        "subject": "claude",
        "time": "2026-03-20T09:46:40.000Z",
        "sequence": "0000000000000007",
        "datacontenttype": "application/json",
    }


def test_kavachos_verifies_its_own_header() -> None:
    to = endpoint(Format.KAVACH)
    request = sent(to, called())
    headers = dict(request.headers)
    key = signatures.hmac_text(to.secrets[0]).encode()
    expected = hmac.new(key, request.body, "sha256").hexdigest()
    assert headers["x-kavach-signature"] == f"sha256={expected}"
    assert headers["x-kavach-delivery"] == ATTEMPT_ID
    assert headers["x-kavach-timestamp"] == headers["webhook-timestamp"]
    assert headers["x-kavach-event"] == "audit"


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (asked(), "approval.requested"),
        (answered(), "approval.resolved"),
        (answered(Status.EXPIRED), "approval.resolved"),
        (sealed(type="delegation.created", data={"agentId": "a"}), "delegation.granted"),
        (sealed(type="agent.revoked", data={"agentId": "a"}), "agent.revoked"),
        (found(), "anomaly.detected"),
        (called(), "audit"),
    ],
)
def test_kavachos_names_of_events(event: SealedEvent, name: str) -> None:
    request = sent(endpoint(Format.KAVACH), event)
    message = json.loads(request.body)
    assert dict(request.headers)["x-kavach-event"] == name
    assert (message["event"], message["type"]) == (name, name)
    assert message["seq"] == event.seq
    assert "timestamp" in message
    assert message["data"]


def test_kavachos_ping() -> None:
    to = endpoint(Format.KAVACH)
    request = sent(to, a_trial_of(to.id))
    assert json.loads(request.body) == {"event": "ping", "timestamp": "2026-03-20T09:46:40.000Z"}
    assert dict(request.headers)["x-kavach-event"] == "ping"
    assert dict(request.headers)["webhook-id"] == a_trial_of(to.id).parse()["id"]
