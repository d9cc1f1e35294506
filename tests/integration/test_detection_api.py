"""Detection's routes: how an org is watched, and what people say of its alerts."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from support.api import Api
from support.databases import Database
from tocsin.domain.batch import Batch
from tocsin.domain.detect.anomaly import Anomaly
from tocsin.domain.detect.cursor import Cursor
from tocsin.domain.detect.finding import Subject
from tocsin.domain.detect.kinds import Kind, Severity
from tocsin.domain.ids import event_ids
from tocsin.domain.keys import Scope
from tocsin.domain.times import iso_ms
from tocsin.services.intake.stamp import new_id

SETTINGS = "/api/v1/detection"
ALERTS = "/api/v1/anomalies"
HOURS = {"from": "08:00", "to": "18:00", "days": [0, 1, 2], "time_zone": "Europe/Berlin"}
WHOLE = {
    "enabled": True,
    "false_alerts_per_day": 0.5,
    "kinds": ["rate_spike", "silence"],
    "hours": HOURS,
    "suspend_from": "critical",
}


@pytest.fixture
def api(database: Database) -> Iterator[Api]:
    api = Api(database.stores()[0])
    yield api
    api.close()


@pytest.fixture
def admin(api: Api) -> str:
    return api.key(Scope.ADMIN, person="ada")[0]


@pytest.fixture
def maria(api: Api) -> str:
    return api.key(Scope.APPROVE, person="maria")[0]


def told(api: Api, org: str = "acme") -> list[dict[str, Any]]:
    found = []
    for stored in api.stores.journal.between(org, "", "z", 1_000):
        each = stored.unpack()
        assert isinstance(each, Batch)
        found += [json.loads(entry) for entry in each.entries]
    return found


def alert(api: Api, org: str = "acme", **fields: Any) -> str:
    """Have detection tell of an alert; return its id."""
    api.clock.ms += 1
    change = new_id(api.clock.ms)
    id = event_ids(change, 1)[0]
    given: dict[str, Any] = {
        "kind": Kind.RATE_SPIKE,
        "severity": Severity.WARNING,
        "subject": Subject("tool", "exec", "db"),
        "at_ms": api.clock.ms,
        "nats": 25.0,
        "seqs": (7,),
    }
    found = Anomaly(org=org, id=id, change=change, **given | fields)
    was = api.stores.detections.cursor(org)
    assert api.stores.detections.advance(org, was, Cursor(change=change), None, [found])
    return id


class TestSettings:
    def test_they_are_the_usual_ones_until_somebody_sets_them(self, api: Api, admin: str) -> None:
        usual = api("GET", SETTINGS, token=admin).body
        assert (usual["enabled"], usual["false_alerts_per_day"]) == (True, 1.0)
        assert (usual["hours"], usual["suspend_from"], usual["set_by"]) == (None, None, None)
        kinds = usual["known_kinds"]
        assert [each["kind"] for each in kinds] == list(Kind)
        assert all(each["says"].endswith(".") and each["on"] for each in kinds)

    def test_what_is_set_is_shown_and_told_once(self, api: Api, admin: str) -> None:
        done = api("PUT", SETTINGS, WHOLE, token=admin)
        assert done.status == 200, done.text
        assert done.body.items() >= WHOLE.items()
        assert done.body["set_by"] == "ada"
        on = {each["kind"] for each in done.body["known_kinds"] if each["on"]}
        assert on == {"rate_spike", "silence"}
        assert api("PUT", SETTINGS, WHOLE, token=admin).body == done.body
        assert api("GET", SETTINGS, token=admin).body == done.body
        [event] = told(api)
        assert (event["type"], event["data"]) == ("tocsin.detection_set", WHOLE)
        other = api.key(Scope.ADMIN, org="beta")[0]
        assert api("GET", SETTINGS, token=other).body["set_by"] is None

    def test_what_is_left_out_is_as_usual(self, api: Api, admin: str) -> None:
        api("PUT", SETTINGS, WHOLE, token=admin)
        hours = {"hours": {"from": "22:00", "to": "06:00"}}
        done = api("PUT", SETTINGS, hours, token=admin).body
        assert done["hours"] == hours["hours"] | {"days": [0, 1, 2, 3, 4], "time_zone": "UTC"}
        assert (len(done["kinds"]), done["suspend_from"]) == (len(Kind), None)

    @pytest.mark.parametrize(
        "zone",
        [
            "../../etc/passwd",
            "/etc/passwd",
            "Europe",
            "Europe/Berlin/../Rome",
            "europe/berlin",
            "localtime",
            "posixrules",
            "tzdata.zi",
            "x" * 10_240,
            "",
            "\0",
            "\U0001f600",
            "Mars/Olympus",
            7,
            None,
        ],
    )
    def test_a_time_zone_that_is_none(self, api: Api, admin: str, zone: Any) -> None:
        answer = api("PUT", SETTINGS, {"hours": HOURS | {"time_zone": zone}}, token=admin)
        assert answer.status == 400, answer.text
        assert answer.body["details"][0]["field"] == "hours.time_zone"

    @pytest.mark.parametrize(
        "body",
        [
            b'{"false_alerts_per_day": 1e400}',
            b'{"false_alerts_per_day": NaN}',
            b'{"false_alerts_per_day": -1}',
            b'{"false_alerts_per_day": 1000.1}',
            b'{"false_alerts_per_day": true}',
            b'{"false_alerts_per_day": "1"}',
            b'{"enabled": 1}',
            b'{"kinds": ["x"]}',
            b'{"kinds": [1]}',
            b'{"kinds": "silence"}',
            b'{"kinds": null}',
            b'{"suspend_from": "fatal"}',
            b'{"suspend_from": 1}',
            b'{"hours": {"from": "08:00"}}',
            b'{"hours": {"from": "24:00", "to": "08:00"}}',
            b'{"hours": {"from": "8:00", "to": "18:00"}}',
            b'{"hours": {"from": "08:00\\n", "to": "18:00"}}',
            b'{"hours": {"from": "08:00", "to": "18:00", "days": []}}',
            b'{"hours": {"from": "08:00", "to": "18:00", "days": [7]}}',
            b'{"hours": {"from": "08:00", "to": "18:00", "days": [true]}}',
            b'{"hours": {"from": "08:00", "to": "18:00", "why": 1}}',
            b'{"unknown": 1}',
            b"[]",
        ],
    )
    def test_what_is_no_settings(self, api: Api, admin: str, body: bytes) -> None:
        answer = api("PUT", SETTINGS, body, token=admin)
        assert answer.status == 400, answer.text
        assert told(api) == []

    def test_who_sees_some_types_sees_none_of_it(self, api: Api, admin: str) -> None:
        some = api("POST", "/api/v1/keys", {"scopes": ["read"], "types": ["audit"]}, token=admin)
        for path in (SETTINGS, ALERTS, f"{ALERTS}/{alert(api)}"):
            assert api("GET", path, token=some.body["key"]).status == 403


class TestAlerts:
    def test_one_is_shown_as_it_was_told(self, api: Api, maria: str) -> None:
        id = alert(api)
        found = api("GET", f"{ALERTS}/{id}", token=maria).body
        assert found.pop("probability") == pytest.approx(1.4e-11, rel=0.1)
        assert found == {
            "id": id,
            "kind": "rate_spike",
            "severity": "warning",
            "status": "open",
            "description": "",
            "subject": {"kind": "tool", "tool_name": "exec", "server_id": "db"},
            "detected_at": iso_ms(api.clock.ms),
            "count": 1,
            "seqs": [7],
        }

    def test_it_is_acknowledged_snoozed_and_called_false(self, api: Api, maria: str) -> None:
        id = alert(api)

        def say(verb: str, **body: Any) -> Any:
            api.clock.ms += 1
            answer = api("POST", f"{ALERTS}/{id}/{verb}", body, token=maria)
            assert answer.status == 200, answer.text
            return answer.body

        seen = say("acknowledge", reason="the import")
        assert (seen["status"], seen["status_by"]) == ("acknowledged", "maria")
        assert say("acknowledge", reason="again") == seen
        until = iso_ms(api.clock.ms + 3_600_000)
        snoozed = say("snooze", until=until)
        assert (snoozed["status"], snoozed["until"]) == ("snoozed", until)
        assert say("snooze", until=until) == snoozed
        false = say("false-positive", reason="usual")
        assert (false["status"], false["status_reason"]) == ("false_positive", "usual")
        assert "until" not in false
        assert say("false-positive") == false
        assert api("GET", f"{ALERTS}/{id}", token=maria).body == false
        late = api("POST", f"{ALERTS}/{id}/snooze", {"seconds": 60}, token=maria)
        assert (late.status, late.body["code"]) == (409, "CONFLICT")
        assert [each["status"] for each in told(api)] == [
            *("acknowledged", "snoozed", "false_positive")
        ]
        assert {each["source"] for each in told(api)} == {"tocsin"}

    @pytest.mark.parametrize(
        "body",
        [
            b"{}",
            b'{"seconds": 59}',
            b'{"seconds": 2592001}',
            b'{"seconds": 60.5}',
            b'{"seconds": true}',
            b'{"seconds": 1e400}',
            b'{"seconds": "60"}',
            b'{"until": "2020-01-01T00:00:00Z"}',
            b'{"until": "9999-12-31T23:59:59Z"}',
            b'{"until": "0001-01-01T00:00:00+23:00"}',
            b'{"until": "1774000000000"}',
            b'{"until": "soon"}',
            b'{"until": "2026-03-21T00:00:00Z", "seconds": 60}',
            b'{"seconds": 60, "why": ""}',
            b'{"seconds": 60, "reason": 1}',
            b"null",
        ],
    )
    def test_what_is_no_snooze(self, api: Api, maria: str, body: bytes) -> None:
        answer = api("POST", f"{ALERTS}/{alert(api)}/snooze", body, token=maria)
        assert answer.status == 400, answer.text
        assert told(api) == []

    def test_another_orgs_are_not_there(self, api: Api, maria: str) -> None:
        id = alert(api, "beta")
        assert api("GET", ALERTS, token=maria).body == {"data": []}
        for method, verb in (("GET", ""), ("POST", "/acknowledge"), ("POST", "/false-positive")):
            assert api(method, f"{ALERTS}/{id}{verb}", token=maria).status == 404

    @pytest.mark.parametrize("id", ["evt_x", "%2F..%2F", "%F0%9F%98%80", "evt_" + "0" * 26])
    def test_there_is_no_such_alert(self, api: Api, maria: str, id: str) -> None:
        assert api("GET", f"{ALERTS}/{id}", token=maria).status == 404
        assert api("POST", f"{ALERTS}/{id}/acknowledge", {}, token=maria).status == 404

    def test_lists_lead_on(self, api: Api, maria: str) -> None:
        ids = [alert(api, subject=Subject("agent", f"a&{salt % 2}")) for salt in range(5)]
        path, found = f"{ALERTS}?limit=2&agent_id=a%260", list[str]()
        while path:
            answer = api("GET", path, token=maria)
            assert answer.status == 200, answer.text
            found += [each["id"] for each in answer.body["data"]]
            path = answer.headers.get("link", "").partition(">")[0].removeprefix("<")
        assert found == [ids[4], ids[2], ids[0]]

    @pytest.mark.parametrize(
        "query",
        [
            "limit=0",
            "limit=1001",
            "limit=1&limit=2",
            "before=x",
            "status=x",
            "status=",
            "kind=x",
            "agent_id=",
            f"agent_id={'x' * 257}",
            "x=1",
        ],
    )
    def test_what_is_no_list(self, api: Api, maria: str, query: str) -> None:
        assert api("GET", f"{ALERTS}?{query}", token=maria).status == 400

    def test_one_that_was_edited_by_hand_hides_no_other(
        self, api: Api, maria: str, database: Database
    ) -> None:
        table = api.stores.anomalies._table  # type: ignore[attr-defined]
        good, bad = alert(api), alert(api)
        item: Any = {"pk": {"S": "anomaly#acme"}, "sk": {"S": bad}, "kind": {"S": "of tomorrow"}}
        database.client.put_item(TableName=table, Item=item)
        [one] = api("GET", ALERTS, token=maria).body["data"]
        assert one["id"] == good
        assert api("GET", f"{ALERTS}/{bad}", token=maria).body["code"] == "INTEGRITY"
