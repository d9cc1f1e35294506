"""CloudEvents' own SDK against the deployed handler over HTTP, in all three modes."""

import gzip
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from cloudevents.core.bindings import http as sdk
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1.conversion import to_binary, to_structured
from cloudevents.v1.http import CloudEvent as OldEvent

from functions.ingest import handler as deployed
from support.databases import Database, Stores
from support.exporting import Endpoint, endpoint
from tocsin.bootstrap.ingest import wire
from tocsin.domain.keys import Scope, mint
from tocsin.domain.org import Org
from tocsin.settings import IngestSettings
from tocsin.wire.intake.cloudevents.formats import BATCHED, STRUCTURED

EVENTS = Path(__file__).parents[2] / "events"


@pytest.fixture
def stores(database: Database, monkeypatch: pytest.MonkeyPatch) -> Stores:
    on, settings = database.stores()
    for name, value in database.env.items():
        monkeypatch.setenv(name, value)
    wired = wire(IngestSettings(**settings.model_dump()))
    monkeypatch.setattr(deployed, "service", lambda: wired)
    on.orgs.put(Org("acme", 1_000))
    return on


@pytest.fixture
def key(stores: Stores) -> str:
    token, key = mint("acme", frozenset({Scope.INGEST}), "test", 1)
    stores.keys.put(key)
    return token


@pytest.fixture
def tocsin(stores: Stores) -> Iterator[Endpoint]:
    with endpoint(deployed.handler) as found:
        yield found


def stored(on: Stores) -> list[dict[str, Any]]:
    found = [each.unpack() for each in on.journal.between("acme", "", "z", 1_000)]
    return [json.loads(entry) for each in found for entry in each.entries]  # type: ignore[union-attr]


def post(tocsin: Endpoint, key: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
    sent = headers | {"Authorization": f"Bearer {key}"}
    return httpx.post(f"{tocsin.url}/v1/cloudevents", headers=sent, content=body)


def accepted(answer: httpx.Response) -> tuple[int, int]:
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    return data["ingested"], data["duplicates"]


def made(id: str, data: Any, **more: Any) -> CloudEvent:
    attributes = {
        "id": id,
        "source": "https://agents.example.com/räviewer 1",
        "type": "com.example.finding",
        "specversion": "1.0",
        "time": datetime(2026, 11, 28, 9, 30, 0, 123_000, tzinfo=UTC),
        "subject": 'Euro € "100%" 😀',
        "agentid": "reviewer",
    }
    return CloudEvent(attributes | more, data)


def test_the_sdk_s_modes_are_one_event(stores: Stores, tocsin: Endpoint, key: str) -> None:
    event = made("1", {"severity": 3}, datacontenttype="application/json", count=7, done=True)
    for at, message in enumerate((sdk.to_binary_event(event), sdk.to_structured_event(event))):
        answer = post(tocsin, key, message.body, message.headers)
        assert accepted(answer) == ((1, 0) if at == 0 else (0, 1))
    [one] = stored(stores)
    same = {
        "type": "com.example.finding",
        "source_id": "1",
        "agent_id": "reviewer",
        "timestamp": "2026-11-28T09:30:00.123Z",
        "data": {"severity": 3},
    }
    assert same.items() <= one.items()
    assert one["metadata"] == {
        "via": "cloudevents",
        "cloudevents": {
            "source": "https://agents.example.com/räviewer 1",
            "subject": 'Euro € "100%" 😀',
            "count": "7",  # a header has no types
            "done": "True",
        },
    }


@pytest.mark.parametrize(
    ("data", "content_type", "as_stored"),
    [
        ({"a": [1, "ü"]}, "application/json", {"a": [1, "ü"]}),
        ("Grüße", "text/plain; charset=utf-8", "Grüße"),
        ('<much wow="xml"/>', "application/xml", '<much wow="xml"/>'),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "image/png", "iVBORw0KGgoA/w=="),
    ],
)
@pytest.mark.parametrize("write", [sdk.to_binary_event, sdk.to_structured_event])
def test_data_of_any_type_is_the_same_in_both_modes(
    stores: Stores,
    tocsin: Endpoint,
    key: str,
    write: Any,
    data: Any,
    content_type: str,
    as_stored: Any,
) -> None:
    message = write(made("1", data, datacontenttype=content_type))
    assert accepted(post(tocsin, key, message.body, message.headers)) == (1, 0)
    [one] = stored(stores)
    if isinstance(data, bytes):
        assert one["metadata"]["cloudevents"]["data_base64"] == as_stored
    else:
        assert one["data"] == as_stored


def test_a_batch_and_what_it_shares_with_others(stores: Stores, tocsin: Endpoint, key: str) -> None:
    def batch(*ids: str) -> bytes:
        return b"[" + b",".join(JSONFormat().write(made(id, {"n": id})) for id in ids) + b"]"

    headers = {"Content-Type": f"{BATCHED}; charset=UTF-8"}
    assert accepted(post(tocsin, key, batch("1", "2", "3"), headers)) == (3, 0)
    zipped = headers | {"Content-Encoding": "gzip"}
    assert accepted(post(tocsin, key, gzip.compress(batch("3", "4")), zipped)) == (1, 1)
    assert accepted(post(tocsin, key, batch("1", "2", "3", "4"), headers)) == (0, 4)
    assert accepted(post(tocsin, key, b"[]", headers)) == (0, 0)
    message = sdk.to_binary_event(made("4", {"n": "other"}))
    assert accepted(post(tocsin, key, message.body, message.headers)) == (0, 1)
    assert sorted(each["source_id"] for each in stored(stores)) == ["1", "2", "3", "4"]


def test_the_older_interface_of_the_sdk(stores: Stores, tocsin: Endpoint, key: str) -> None:
    event = OldEvent({"id": "1", "source": "/old", "type": "tool_call"}, {"tool_name": "search"})
    for write in (to_binary, to_structured):
        headers, body = write(event)
        answer = post(tocsin, key, body, dict(headers))
        assert answer.status_code == 200, answer.text
    [one] = stored(stores)
    assert (one["type"], one["tool_name"], one["source_id"]) == ("tool_call", "search", "1")


@pytest.mark.parametrize("name", ["structured", "batch", "tocsin"])
def test_samples(stores: Stores, tocsin: Endpoint, key: str, name: str) -> None:
    body = (EVENTS / f"cloudevents-{name}.json").read_bytes()
    headers = {"Content-Type": BATCHED if name == "batch" else STRUCTURED}
    assert accepted(post(tocsin, key, body, headers))[0] == (3 if name == "batch" else 1)


def test_differently_cut_batches_at_the_same_time(
    stores: Stores, tocsin: Endpoint, key: str
) -> None:
    events = [json.loads(JSONFormat().write(made(str(at), {"n": at}))) for at in range(24)]
    cuts = [events[at : at + size] for size in (24, 8, 5, 1) for at in range(0, 24, size)]

    def send(cut: list[Any]) -> int:
        for _ in range(50):  # as a sender that is told to come again
            answer = post(tocsin, key, json.dumps(cut).encode(), {"Content-Type": BATCHED})
            if answer.status_code != 503:
                return accepted(answer)[0]
        raise AssertionError(answer.text)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(send, cuts)) <= 24
    found = sorted(int(each["source_id"]) for each in stored(stores))
    assert found == list(range(24))


def test_a_lost_answer_is_asked_for_again(stores: Stores, tocsin: Endpoint, key: str) -> None:
    tocsin.lose = 1
    message = sdk.to_structured_event(made("1", {}))
    with pytest.raises(httpx.TransportError):
        post(tocsin, key, message.body, message.headers)
    assert accepted(post(tocsin, key, message.body, message.headers)) == (0, 1)
    assert len(stored(stores)) == 1


def test_who_asks_first_whether_to_send_may(tocsin: Endpoint) -> None:
    asked = {"WebHook-Request-Origin": "eventgrid.azure.com", "WebHook-Request-Rate": "120"}
    answer = httpx.request("OPTIONS", f"{tocsin.url}/v1/cloudevents", headers=asked)
    assert (answer.status_code, answer.content) == (200, b"")
    told = answer.headers
    assert (told["webhook-allowed-origin"], told["webhook-allowed-rate"]) == ("*", "*")
    assert told["allow"] == "OPTIONS, POST"


@pytest.mark.parametrize(
    ("headers", "status", "told"),
    [
        ({"Content-Type": "application/json"}, 415, "ce-specversion"),
        ({"Content-Type": "application/cloudevents+avro"}, 415, STRUCTURED),
        ({"Content-Type": STRUCTURED}, 400, "specversion"),
        ({"ce-specversion": "1.0", "ce-id": "1", "ce-type": "a.b"}, 400, "source"),
        ({"ce-id": "%C0%A0"}, 400, "UTF-8"),
    ],
)
def test_what_is_refused(
    stores: Stores, tocsin: Endpoint, key: str, headers: dict[str, str], status: int, told: str
) -> None:
    answer = post(tocsin, key, b"{}", headers)
    assert answer.status_code == status
    assert told in answer.text
    assert post(tocsin, "none", b"{}", headers).status_code == 401
    assert stored(stores) == []
