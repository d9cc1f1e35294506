"""Endpoints over the API, on real tables: whole, edited by hand, and with lost answers."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ReadTimeoutError
from botocore.httpsession import URLLib3Session

from fakes.events import batch
from support.api import Answer, Api
from support.databases import Database, Stores
from tocsin.adapters.clock import SystemClock
from tocsin.adapters.dynamodb.deliveries import DynamoDeliveries
from tocsin.adapters.dynamodb.endpoints import DynamoEndpoints
from tocsin.adapters.dynamodb.journal import DynamoJournal
from tocsin.domain.batch import Batch
from tocsin.domain.deliveries import Attempt, Outcome, Progress
from tocsin.domain.endpoints import new_id
from tocsin.domain.errors import Busy, IntegrityError
from tocsin.domain.keys import Scope, mint
from tocsin.domain.limits import MAX_SMALL_BODY_BYTES
from tocsin.services.notify.changing import Changing
from tocsin.services.notify.keeping import Draft, Keeping
from tocsin.services.sealing.seal import seal_batches
from tocsin.wire.notify import signatures

WEBHOOKS = "/api/v1/webhooks"
URL = "https://user.example.com/hooks/a?key=secret"
ADMIN = mint("acme", frozenset({Scope.ADMIN}), "ada", 1)[1]


@pytest.fixture
def on(database: Database) -> Stores:
    return database.stores()[0]


@pytest.fixture
def api(on: Stores) -> Iterator[Api]:
    api = Api(on)
    yield api
    api.close()


@pytest.fixture
def ada(api: Api) -> str:
    return api.key(Scope.ADMIN, person="ada")[0]


@pytest.fixture
def reader(api: Api) -> str:
    return api.key(Scope.READ)[0]


def make(api: Api, token: str, /, **body: Any) -> dict[str, Any]:
    api.clock.ms += 1
    answer = api("POST", WEBHOOKS, {"url": URL} | body, token=token)
    assert answer.status == 201, answer.text
    return dict(answer.body)


def seal(api: Api, count: int, salt: int = 0) -> None:
    made = batch("acme", count, api.clock.ms, salt)
    seal_batches("acme", [made], api.stores.ledger, api.clock)


def told(on: Stores) -> Counter[str]:
    found = Counter[str]()
    for stored in on.journal.between("acme", "", "z", 1_000):
        unpacked = stored.unpack()
        assert isinstance(unpacked, Batch)
        found.update(json.loads(entry)["type"] for entry in unpacked.entries)
    return found


def next_of(answer: Answer) -> str | None:
    found = re.fullmatch(r'<(.*)>; rel="next"', answer.headers.get("link", ""))
    return found[1] if found else None


class TestRoutes:
    def test_the_way_of_an_endpoint(self, api: Api, ada: str, reader: str) -> None:
        seal(api, 5)
        made = make(api, ada, types=["approval.created"], severity="warning", description="SIEM")
        at = f"{WEBHOOKS}/{made['id']}"
        assert made["secret"].startswith("whsec_")
        assert made["public_keys"][0].startswith("whpk_")
        assert (made["status"], made["through_seq"], made["url"]) == ("active", 5, URL)

        shown = api("GET", at, token=ada)
        assert shown.body == {name: made[name] for name in made if name != "secret"}
        assert api("GET", WEBHOOKS, token=ada).body == {
            "data": [shown.body],
            "total": 1,
            "unreadable": [],
        }

        changed = api("PUT", at, {"types": None, "agent_id": "claude"}, token=ada).body
        assert (changed["types"], changed["agent_id"]) == (None, "claude")
        assert (changed["severity"], changed["description"]) == ("warning", "SIEM")

        paused = api("POST", f"{at}/pause", {"reason": "moving"}, token=ada).body
        assert (paused["status"], paused["reason"]) == ("paused", "moving")
        assert api("POST", f"{at}/test", token=ada).status == 409
        assert api("POST", f"{at}/resume", token=ada).body["status"] == "active"

        api.clock.ms += 1
        rotated = api("POST", f"{at}/rotate", {"overlap_seconds": 60}, token=ada).body
        assert rotated["secret"] != made["secret"]
        assert len(rotated["public_keys"]) == 2
        api.clock.ms += 60_000
        assert api("GET", at, token=reader).body["public_keys"] == rotated["public_keys"][:1]

        tested = api("POST", f"{at}/test", token=ada)
        assert (tested.status, tested.body["event_id"][:4]) == (202, "evt_")
        replayed = api("POST", f"{at}/replay", {"from_seq": 2}, token=ada)
        assert replayed.status == 202
        replay = replayed.body["replay"]
        assert (replay["next_seq"], replay["to_seq"]) == (2, 5)
        assert replayed.body["replays"] == [] or replayed.body["replays"] == [replay]
        assert api("GET", at, token=ada).body["replays"] == [replay]

        assert api("DELETE", at, token=ada).body == {"deleted": made["id"]}
        assert [api(method, at, {}, token=ada).status for method in ("GET", "PUT", "DELETE")] == (
            [404] * 3
        )
        assert api.stores.endpoints.active("acme") == []
        assert told(api.stores) == {
            f"tocsin.endpoint_{verb}": 1
            for verb in (
                *("created", "updated", "paused", "resumed", "rotated"),
                *("test", "replayed", "removed"),
            )
        }

    @pytest.mark.parametrize(
        ("body", "public"),
        [
            ({"url": URL}, "https://user.example.com/hooks/a?…"),
            (
                {"url": "https://hooks.slack.com/services/T0/B0/secret", "format": "slack"},
                "https://hooks.slack.com/…",
            ),
            (
                {"url": "https://discord.com/api/webhooks/1/secret?wait=true", "format": "discord"},
                "https://discord.com/…?…",
            ),
            (
                {"url": "https://splunk.example.com/x", "format": "splunk", "token": "secret"},
                "https://splunk.example.com/x",
            ),
            ({"url": "mailto:a@example.com", "format": "email"}, "mailto:a@example.com"),
            ({"url": "s3://exports/a", "format": "s3"}, "s3://exports/a"),
            ({"url": "s3://exports/a", "format": "parquet"}, "s3://exports/a"),
        ],
    )
    def test_who_may_not_change_it_sees_nothing_that_is_secret(
        self, api: Api, ada: str, body: Any, public: str
    ) -> None:
        made = make(api, ada, **body)
        assert made["url"] == body["url"]
        assert made["has_token"] is ("token" in body)
        for scope in (Scope.READ, Scope.APPROVE):
            token = api.key(scope)[0]
            for at in (WEBHOOKS, f"{WEBHOOKS}/{made['id']}"):
                answer = api("GET", at, token=token)
                assert answer.status == 200
                assert "secret" not in answer.text
                assert "whsec_" not in answer.text
                if at != WEBHOOKS:
                    assert answer.body["url"] == public
        listed = api("GET", WEBHOOKS, token=ada)
        assert "whsec_" not in listed.text
        assert '"secret"' not in listed.text
        for event in api.stores.journal.between("acme", "", "z", 9):
            unpacked = event.unpack()
            assert isinstance(unpacked, Batch)
            assert b"secret" not in b"".join(unpacked.entries)

    @pytest.mark.parametrize("of", ["deliveries", "given-up"])
    def test_attempts_are_listed_page_by_page(
        self, api: Api, ada: str, reader: str, of: str
    ) -> None:
        id = make(api, ada)["id"]
        at = f"{WEBHOOKS}/{id}/{of}"
        assert api("GET", at, token=reader).body == {"data": []}
        one = Attempt(*(1, 1, "evt_1", "t", 10, api.clock.ms, Outcome.FAILED, 0, 7), "timeout")
        every = [replace(one, seq=seq, until_seq=seq, given_up=True) for seq in range(1, 8)]
        api.stores.deliveries.put("acme", id, every[:4], api.clock.ms)
        api.stores.deliveries.put("acme", id, every[4:], api.clock.ms + 1)
        seqs, target = list[int](), f"{at}?limit=3"
        while target:
            answer = api("GET", target, token=reader)
            assert answer.status == 200, answer.text
            seqs += [each["seq"] for each in answer.body["data"]]
            target = next_of(answer) or ""
        assert seqs == [7, 6, 5, 4, 3, 2, 1]
        first = api("GET", at, token=reader).body["data"][0]
        assert (first["status"], first["error"], first["given_up"]) == (None, "timeout", True)
        for query in ("limit=0", "limit=1001", "before=%23", "before=a&before=b", "before=~"):
            assert api("GET", f"{at}?{query}", token=reader).status == 400
        for place in ("0", "zzzzzzzzzzzzzzzzzzzzzzzzzz", "0.999999"):
            assert api("GET", f"{at}?before={place}", token=reader).status == 200

    def test_an_org_s_admins_change_so_much_a_minute_and_remove_all_the_same(
        self, on: Stores
    ) -> None:
        api = Api(on, changes_per_minute=2)
        ada, (bob, key) = api.key(Scope.ADMIN)[0], api.key(Scope.ADMIN)
        made = make(api, ada)
        at = f"{WEBHOOKS}/{made['id']}"
        assert api("POST", f"{at}/test", {}, token=bob).status == 202
        tries: tuple[tuple[str, str, dict[str, Any]], ...] = (
            ("POST", f"{at}/test", {}),
            ("POST", f"{at}/rotate", {}),
            ("PUT", at, {"description": "d"}),
            ("PUT", "/api/v1/privacy", {"pii": "mask"}),
            ("POST", "/api/v1/budgets", {}),
        )
        for method, path, body in tries:
            refused = api(method, path, body, token=bob)
            assert (refused.status, refused.body["code"]) == (429, "TOO_OFTEN")
            assert 0 < int(refused.headers["retry-after"]) <= 60
        other = api.key(Scope.ADMIN, org="beta")[0]
        assert api("POST", WEBHOOKS, {"url": URL}, token=other).status == 201
        assert api("GET", at, token=bob).status == 200
        assert api("DELETE", at, token=ada).status == 200
        assert api("DELETE", f"/api/v1/keys/{key.id}", token=ada).status == 200
        api.clock.ms += 60_000
        make(api, ada)
        api.close()

    def test_another_org_finds_nothing(self, api: Api, ada: str) -> None:
        id = make(api, ada)["id"]
        other = api.key(Scope.ADMIN, org="beta")[0]
        for method, at, body in (
            *(("GET", "", None), ("PUT", "", {"url": "https://evil.example.com"})),
            *(("POST", f"/{verb}", {}) for verb in ("pause", "resume", "rotate", "test")),
            *(("POST", "/replay", {"from_seq": 1}), ("DELETE", "", None)),
            *(("GET", "/deliveries", None), ("GET", "/given-up", None)),
        ):
            assert api(method, f"{WEBHOOKS}/{id}{at}", body, token=other).status == 404
        assert api("GET", WEBHOOKS, token=other).body == {"data": [], "total": 0, "unreadable": []}
        assert told(api.stores) == {"tocsin.endpoint_created": 1}

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"url": ""},
            {"url": 1},
            {"url": None},
            {"url": "https://a.example.com/ b"},
            {"url": "https://a.example.com/\r\nx: y"},
            {"url": "https://a.example.com/" + "x" * 2_048},
            {"url": "https://\N{SNOWMAN}.example.com"},
            {"url": "javascript:alert(1)"},
            {"url": "file:///etc/passwd"},
            {"url": "https://user:pass@a.example.com"},
            {"url": URL, "format": "TOCSIN"},
            {"url": URL, "format": None},
            {"url": URL, "order": 1},
            {"url": URL, "escalation": 1},
            {"url": URL, "links": "true"},
            {"url": URL, "types": []},
            {"url": URL, "types": ["a b"]},
            {"url": URL, "types": ["a"] * 101},
            {"url": URL, "types": "tool_call"},
            {"url": URL, "severity": 2},
            {"url": URL, "severity": "CRITICAL"},
            {"url": URL, "agent_id": ""},
            {"url": URL, "agent_id": "x" * 257},
            {"url": URL, "description": "x" * 257},
            {"url": URL, "format": "splunk", "token": "a\nb"},
            {"url": URL, "format": "splunk", "token": "x" * 257},
            {"url": URL, "secret": "whsec_"},
            {"url": URL, "secret": "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
            {"url": URL, "from_seq": 0},
            {"url": URL, "from_seq": 2**60},
            {"url": URL, "from_seq": 1.5},
            {"url": URL, "from_seq": True},
            {"url": URL, "from_seq": 10**40},
            {"url": URL, "since": 7},
            {"url": URL, "since": "x" * 65},
            {"url": URL, "status": "paused"},
            {"url": URL, "secrets": []},
            {"url": URL, "org": "beta"},
        ],
        ids=str,
    )
    def test_what_is_no_endpoint(self, api: Api, ada: str, body: Any) -> None:
        answer = api("POST", WEBHOOKS, body, token=ada)
        assert answer.status == 400, answer.text
        assert told(api.stores) == {}

    def test_a_body_is_bounded(self, api: Api, ada: str) -> None:
        large = b'{"url":"' + b"x" * MAX_SMALL_BODY_BYTES + b'"}'
        assert api("POST", WEBHOOKS, large, token=ada).status == 413
        for body in (b"[]", b"{", b'{"url":"\\ud800"}', b"\xff", b"[" * 10_000):
            assert api("POST", WEBHOOKS, body, token=ada).status == 400

    def test_anything_may_be_said_of_it(self, api: Api, ada: str) -> None:
        names = {"description": "\0\u202e\U0001f514", "agent_id": "#~\0", "tool_name": "=1+1"}
        made = make(api, ada, **names)
        shown = api("GET", f"{WEBHOOKS}/{made['id']}", token=ada).body
        assert {name: shown[name] for name in names} == names

    def test_a_hundred_at_once_are_all_made(self, on: Stores) -> None:
        """The number of an org's is kept give or take those that come at the same moment."""
        keeping = Keeping(
            Changing(on.endpoints, SystemClock()),
            on.ledger,
            signatures,
            lambda _: None,
        )
        with ThreadPoolExecutor(20) as pool:
            made = list(pool.map(lambda _: keeping.create(ADMIN, Draft(url=URL)), range(100)))
        ids = sorted(each.endpoint.id for each in made)
        assert sorted(each.endpoint.id for each in on.endpoints.all("acme")) == ids
        assert on.endpoints.active("acme") == ids


EDITS: dict[str, dict[str, Any]] = {
    "no url": {"url": None},
    "another type of url": {"url": {"N": "1"}},
    "an unknown format": {"sent_as": {"S": "fax"}},
    "an unknown status": {"is": {"S": "gone"}},
    "filters that are no JSON": {"wanted": {"S": "{"}},
    "filters that are a list": {"wanted": {"S": "[1]"}},
    "a type that is a number": {"wanted": {"S": '{"types":[1]}'}},
    "secrets that are none": {"secrets": {"S": '[["a","b","c",0]]'}},
    "secrets that lack one": {"secrets": {"S": '[["AAAA"]]'}},
    "secrets of no length": {"secrets": {"S": '[["","","",0]]'}},
    "a time of no calendar": {"created_at_ms": {"N": "9" * 30}},
    "a time before 1970": {"resumed_at_ms": {"N": "-1"}},
    "a broken number": {"resumed_after_seq": {"N": "1.5"}},
    "no change": {"change": None},
    "a flag that is a text": {"links": {"S": "true"}},
}
PROGRESS_EDITS: dict[str, dict[str, Any]] = {
    "no seq": {"through_seq": None},
    "a negative seq": {"through_seq": {"N": "-1"}},
    "a hash that is a text": {"ledger_hash": {"S": "x"}},
    "failures that are no JSON": {"failing": {"S": "["}},
    "failures of texts": {"failing": {"S": '[["1",1,1,1,1]]'}},
    "failures with less": {"failing": {"S": "[[1,1]]"}},
    "failures of no time": {"failing": {"S": f"[[1,1,1,{10**17},1]]"}},
    "a time of no calendar": {"hold_until_ms": {"N": "9" * 20}},
}


class Table:
    """Three tables, and a hand that edits items."""

    def __init__(self, database: Database) -> None:
        self.on, self.settings = database.stores()
        self.client = database.client
        self.api = Api(self.on)
        self.ada = self.api.key(Scope.ADMIN)[0]

    def item(self, pk: str, sk: str) -> dict[str, Any]:
        key: Any = {"pk": {"S": pk}, "sk": {"S": sk}}
        found: Any = self.client.get_item(TableName=self.settings.state_table, Key=key)["Item"]
        return dict(found)

    def edit(self, pk: str, sk: str, changes: dict[str, Any]) -> None:
        item = self.item(pk, sk) | changes
        kept: Any = {name: value for name, value in item.items() if value is not None}
        self.client.put_item(TableName=self.settings.state_table, Item=kept)

    def named(self, pk: str, prefix: str) -> list[Any]:
        return self.client.query(
            TableName=self.settings.state_table,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
            ExpressionAttributeValues={":pk": {"S": pk}, ":prefix": {"S": prefix}},
        )["Items"]


@pytest.fixture
def table(database: Database) -> Iterator[Table]:
    table = Table(database)
    yield table
    table.api.close()


class TestEdited:
    @pytest.mark.parametrize(
        ("beside", "changes"),
        [
            *(("", changes) for changes in EDITS.values()),
            *(("#progress", changes) for changes in PROGRESS_EDITS.values()),
        ],
        ids=[*EDITS, *PROGRESS_EDITS],
    )
    def test_one_that_was_damaged_holds_up_no_other(
        self, table: Table, beside: str, changes: dict[str, Any]
    ) -> None:
        bad, good = make(table.api, table.ada), make(table.api, table.ada)
        table.edit("endpoint#acme", f"{bad['id']}{beside}", changes)
        with pytest.raises(IntegrityError) as refused:
            table.on.endpoints.get("acme", bad["id"])
        assert "whsec" not in str(refused.value)
        assert api_status(table, bad) == 500
        assert api_status(table, good) == 200
        listed = table.api("GET", WEBHOOKS, token=table.ada).body
        assert [each["id"] for each in listed["data"]] == [good["id"]]
        [unreadable] = listed["unreadable"]
        assert (unreadable["id"], len(unreadable["reason"]) > 5) == (bad["id"], True)
        assert unreadable["url"] == (None if "url" in changes else "https://user.example.com")
        assert table.on.endpoints.active("acme") == sorted([bad["id"], good["id"]])
        make(table.api, table.ada)

        at, bodies = f"{WEBHOOKS}/{bad['id']}", {"replay": {"from_seq": 1}}
        for verb in ("pause", "resume", "rotate", "test", "replay"):
            refused_by_api = table.api(
                "POST", f"{at}/{verb}", bodies.get(verb, {}), token=table.ada
            )
            assert (refused_by_api.status, refused_by_api.body["code"]) == (500, "INTEGRITY")
            assert "remove it" in refused_by_api.body["error"]
        assert table.api("PUT", at, {"description": "d"}, token=table.ada).status == 500
        assert told(table.on) == {"tocsin.endpoint_created": 3}

        assert table.api("DELETE", at, token=table.ada).body == {"deleted": bad["id"]}
        assert told(table.on)["tocsin.endpoint_removed"] == 1
        assert bad["id"] not in table.on.endpoints.active("acme")
        assert table.api("GET", WEBHOOKS, token=table.ada).body["unreadable"] == []
        assert table.named("endpoint#acme", bad["id"]) == []
        assert table.api("DELETE", at, token=table.ada).status == 404
        assert api_status(table, good) == 200

    @pytest.mark.parametrize("change", [None, {"N": "7"}, {"B": b"c"}, {"NULL": True}], ids=repr)
    def test_one_is_removed_whatever_its_change_is_unless_that_moves(
        self, table: Table, change: Any
    ) -> None:
        id = make(table.api, table.ada)["id"]
        table.edit("endpoint#acme", id, {"change": change, "sent_as": {"S": "fax" * 100}})
        store, rounds = table.on.endpoints, iter(range(9))
        named = vars(type(store))["_named"]

        def moving(self: DynamoEndpoints, org: str, id: str) -> Any:
            found = named(self, org, id)
            if next(rounds) == 2:  # between what the second try finds and its write
                table.edit("endpoint#acme", id, {"change": {"S": "another"}})
            return found

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(store), "_named", moving)
            assert table.api("DELETE", f"{WEBHOOKS}/{id}", token=table.ada).status == 200
        assert next(rounds) > 4
        assert told(table.on) == {"tocsin.endpoint_created": 1, "tocsin.endpoint_removed": 1}
        assert store.get("acme", id) is None

    def test_a_set_that_is_none_any_more_is_said_and_others_go_on(self, table: Table) -> None:
        make(table.api, table.ada)
        other = table.api.key(Scope.ADMIN, org="beta")[0]
        make(table.api, other)
        table.edit("notified", "acme", {"endpoints": {"S": "ep_1"}})
        with pytest.raises(IntegrityError):
            table.on.endpoints.active("acme")
        assert len(table.on.endpoints.active("beta")) == 1
        make(table.api, other)
        refused = table.api("POST", WEBHOOKS, {"url": URL}, token=table.ada)
        assert (refused.status, refused.body["code"]) == (500, "INTEGRITY")

    def test_an_item_without_what_a_later_version_added_is_read(self, table: Table) -> None:
        id, key = new_id(), {"pk": {"S": "endpoint#acme"}}
        oldest: list[Any] = [
            {**key, "sk": {"S": id}, "url": {"S": URL}, "change": {"S": "c"}},
            {**key, "sk": {"S": f"{id}#progress"}, "through_seq": {"N": "7"}},
        ]
        for item in oldest:
            table.client.put_item(TableName=table.settings.state_table, Item=item)
        kept = table.on.endpoints.get("acme", id)
        assert kept
        assert (kept.endpoint.url, kept.endpoint.secrets, kept.progress) == (URL, (), Progress(7))
        assert table.api("GET", f"{WEBHOOKS}/{id}", token=table.ada).body["format"] == "tocsin"
        done = table.api("POST", f"{WEBHOOKS}/{id}/rotate", token=table.ada)
        assert done.body["secret"].startswith("whsec_")
        assert table.on.endpoints.active("acme") == [id]  # which is mended by any change

    def test_what_is_as_usual_takes_no_room(self, table: Table) -> None:
        id = make(table.api, table.ada)["id"]
        assert table.item("endpoint#acme", f"{id}#progress").keys() == {"pk", "sk", "through_seq"}
        assert "wanted" not in table.item("endpoint#acme", id)

    def test_attempts_that_cant_be_read_hide_no_others(self, table: Table) -> None:
        id, deliveries = make(table.api, table.ada)["id"], table.on.deliveries
        one = Attempt(*(1, 1, "evt_1", "t", 1, 5, Outcome.DELIVERED, 200, 7))
        for at in range(7):
            deliveries.put("acme", id, [replace(one, seq=at, until_seq=at)], at)
        items = table.client.query(
            TableName=table.settings.state_table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": "delivery#acme"}},
        )["Items"]
        for item, text in zip(
            items[1:5],
            (None, "{}x", '[["1"]]', f'[[1,1,"e","t",1,{10**17},"delivered",200,7]]'),
            strict=True,
        ):
            changes = {"attempts": None if text is None else {"S": text}}
            table.edit("delivery#acme", str(item["sk"]["S"]), changes)
        more = '[[9,9,"e","t",1,5,"delivered",200,7,"","",false,"of a later version"]]'
        table.edit("delivery#acme", str(items[5]["sk"]["S"]), {"attempts": {"S": more}})
        for limit in (1, 2, 9):
            seqs, place, pages = list[int](), "", 0
            while not pages or place:
                page, place = deliveries.newest("acme", id, place, limit)
                seqs += [each.seq for each in page]
                pages += 1
                assert pages < 20
            assert seqs == [6, 9, 0]

    def test_attempts_expire_in_their_time_and_fit_into_items(self, table: Table) -> None:
        one = Attempt(*(1, 1, "evt_1", "t", 10, 5, Outcome.FAILED, 500, 7), excerpt="\0" * 256)
        every = [replace(one, given_up=at % 2 == 0) for at in range(2_000)]
        table.on.deliveries.put("acme", "ep_1", every, 86_400_000)
        for kind, days in (("delivery", 30), ("given-up", 90)):
            items = table.client.query(
                TableName=table.settings.state_table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": f"{kind}#acme"}},
            )["Items"]
            assert len(items) > 1
            assert {item["expires_at"]["N"] for item in items} == {str((days + 1) * 86_400)}
            assert max(len(item["attempts"]["S"].encode()) for item in items) <= 300_000


def api_status(table: Table, endpoint: dict[str, Any]) -> int:
    return table.api("GET", f"{WEBHOOKS}/{endpoint['id']}", token=table.ada).status


class Line:
    """Carries requests to the server; ``answer`` may say something else than that did."""

    def __init__(self, answer: Callable[[int, AWSPreparedRequest], Any]) -> None:
        self.answer = answer
        self.writes = 0

    def __call__(self, request: AWSPreparedRequest, **_: object) -> Any:
        if request.headers["X-Amz-Target"] != b"DynamoDB_20120810.TransactWriteItems":
            return None
        self.writes += 1
        return self.answer(self.writes, request)


def keeping_over(database: Database, line: Line) -> tuple[Stores, Keeping]:
    on, settings = database.stores()
    client = database.server.client()
    client.meta.events.register("before-send.dynamodb", line)
    journal = DynamoJournal(client, settings.journal_table)
    store = DynamoEndpoints(client, settings.state_table, journal)
    changing = Changing(store, SystemClock())
    return on, Keeping(changing, on.ledger, signatures, lambda _: None)


@pytest.mark.parametrize("lost", [(1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), (2, 4, 6)], ids=str)
def test_what_was_done_and_not_answered_is_told_once(
    database: Database, lost: tuple[int, ...]
) -> None:
    def losing(writes: int, request: AWSPreparedRequest) -> Any:
        answer = URLLib3Session().send(request)
        if writes in lost:
            raise ReadTimeoutError(endpoint_url=request.url)
        return answer

    line = Line(losing)
    on, keeping = keeping_over(database, line)
    id = keeping.create(ADMIN, Draft(url=URL)).endpoint.id
    line.writes = 0
    keeping.update(ADMIN, id, lambda _: {"description": "d"})
    assert on.endpoints.active("acme") == [id]
    line.writes = 0
    keeping.remove(ADMIN, id)
    assert (on.endpoints.all("acme"), on.endpoints.active("acme")) == ([], [])
    assert told(on) == {f"tocsin.endpoint_{verb}": 1 for verb in ("created", "updated", "removed")}


def conflicting(request: AWSPreparedRequest) -> AWSResponse:
    """Return DynamoDB's answer where another transaction has one of the items."""
    body = {
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled",
        "CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict"}],
    }

    class Raw:
        def stream(self) -> Iterator[bytes]:
            yield json.dumps(body).encode()

    headers: Any = {"content-type": "application/x-amz-json-1.0"}
    return AWSResponse(request.url, 400, headers, Raw())


def test_who_makes_several_at_once_waits_for_each_other(database: Database) -> None:
    def busy(writes: int, request: AWSPreparedRequest) -> Any:
        return conflicting(request) if writes < 5 else None

    line = Line(busy)
    on, keeping = keeping_over(database, line)
    id = keeping.create(ADMIN, Draft(url=URL)).endpoint.id
    assert (on.endpoints.active("acme"), line.writes) == ([id], 5)


def test_whom_nobody_lets_in_is_told_that_nothing_was_done(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.adapters.dynamodb.endpoints._FIRST_PAUSE_SECONDS", 0)
    on, keeping = keeping_over(database, Line(lambda _, request: conflicting(request)))
    with pytest.raises(Busy, match="send the request again"):
        keeping.create(ADMIN, Draft(url=URL))
    assert (told(on), on.endpoints.all("acme")) == ({}, [])


def test_a_place_of_attempts_is_later_than_those_before_it(database: Database) -> None:
    _, settings = database.stores()
    deliveries = DynamoDeliveries(database.client, settings.state_table)
    one = Attempt(*(1, 1, "evt_1", "t", 1, 5, Outcome.DELIVERED, 200, 7))
    for at_ms in (0, 1, 1_774_000_000_000, 2**47):
        deliveries.put("acme", "ep_1", [replace(one, latency_ms=at_ms)], at_ms)
    found, _ = deliveries.newest("acme", "ep_1", "", 9)
    assert [each.latency_ms for each in found] == [2**47, 1_774_000_000_000, 1, 0]
