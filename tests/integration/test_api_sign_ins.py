"""Signing in and out over HTTP, at the API function, its stores on MiniStack."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from support.api import ORIGIN, Answer, Api
from support.databases import Database
from tocsin.domain.batch import Batch
from tocsin.domain.errors import Busy, IntegrityError, OutcomeUnknown
from tocsin.domain.keys import ApiKey, Scope
from tocsin.domain.limits import MAX_FAILED_SIGN_INS_PER_KEY, MAX_SIGNED_IN_ORGS
from tocsin.domain.org import Org, OrgStatus
from tocsin.domain.passes import Kind, claim

SESSION, ORG, USAGE = "/api/v1/session", "/api/v1/session/org", "/api/v1/usage"
PUBLIC = {"Host": "tocsin.example"}
EVIL = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}


@pytest.fixture
def api(database: Database) -> Iterator[Api]:
    api = Api(database.stores()[0])
    yield api
    api.close()


def cookie(answer: Answer) -> dict[str, str]:
    """Return the header that a browser sends from then on."""
    return {"Cookie": answer.headers["set-cookie"].partition(";")[0]} | PUBLIC


def sign_in(api: Api, token: str, body: Any = None, **headers: str) -> Answer:
    answer = api("POST", SESSION, body, token=token, headers=PUBLIC | headers)
    assert answer.status == 201, answer.text
    return answer


def told(api: Api, org: str = "acme") -> list[dict[str, Any]]:
    """Return what Tocsin told of signing in, by type, without what is stamped."""
    entries = list[dict[str, Any]]()
    for stored in api.stores.journal.between(org, "", "Z" * 26, 1_000):
        batch = stored.unpack()
        assert isinstance(batch, Batch)
        entries += map(json.loads, batch.entries)
    names = ("type", "user_id", "action", "data")
    found = [
        {name: each[name] for name in names if name in each}
        for each in entries
        if each["type"].startswith("auth.") and each["source"] == "tocsin"
    ]
    return sorted(found, key=lambda each: (each["type"], "furtherUntold" in each["data"]))


def event(type: str, key: ApiKey, **more: Any) -> dict[str, Any]:
    data = {"userId": key.holder, "keyId": key.id}
    return {"type": type, "user_id": key.holder, "action": "log", "data": data} | more


class TestSigningIn:
    def test_it_gives_a_cookie_and_says_who_one_is(self, api: Api) -> None:
        token, key = api.key(Scope.READ, person="maria@example.com")
        answer = sign_in(api, token)
        assert answer.body == {
            "org": "acme",
            "scopes": ["read"],
            "expires_at": answer.body["expires_at"],
            "orgs": ["acme"],
        }
        assert answer.headers["cache-control"] == "no-store"
        name, _, rest = answer.headers["set-cookie"].partition("=")
        secret, *attributes = rest.split("; ")
        assert name == "__Host-tocsin_session"
        assert set(attributes) == {
            *("Path=/", "Max-Age=3600", "HttpOnly", "Secure", "SameSite=Strict")
        }
        who = api("GET", SESSION, headers=PUBLIC | {"Cookie": f"a=b; {name}={secret}; c"})
        assert (who.status, who.body) == (200, answer.body)
        assert told(api) == [event("auth.signin", key)]
        said = answer.text + json.dumps(told(api))
        assert token.rpartition("_")[2] not in said
        assert secret.rpartition("_")[2] not in said

    def test_with_a_key_one_is_told_the_same_without_an_end(self, api: Api) -> None:
        who = api("GET", SESSION, token=api.key(Scope.READ)[0])
        assert who.body == {
            "org": "acme",
            "scopes": ["read"],
            "expires_at": None,
            "orgs": ["acme"],
        }
        assert told(api) == []

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Authorization": "Bearer x"},
            {"Authorization": "Basic eA=="},
            {"Cookie": "tocsin_session=x"},
            {"Cookie": "__Host-tocsin_session=x"},
        ],
    )
    def test_without_a_credential_there_is_none(self, api: Api, headers: dict[str, str]) -> None:
        for method, path in (("GET", SESSION), ("POST", SESSION), ("POST", ORG)):
            answer = api(method, path, {"org": "acme"}, headers=PUBLIC | headers)
            assert (answer.status, answer.body["code"]) == (401, "UNAUTHORIZED")
            assert "set-cookie" not in answer.headers

    def test_a_key_that_may_not_read_can_not(self, api: Api) -> None:
        for scope in (Scope.INGEST, Scope.APPROVE):
            answer = api("POST", SESSION, token=api.key(scope)[0])
            assert (answer.status, answer.body["code"]) == (403, "FORBIDDEN")
        assert told(api) == []

    def test_a_cookie_makes_no_other_and_does_not_matter(self, api: Api) -> None:
        token, _ = api.key(Scope.READ)
        held = cookie(sign_in(api, token))
        assert api("POST", SESSION, headers=held).status == 401
        planted = {"Cookie": "__Host-tocsin_session=tocsin-session_acme_planted"}
        answer = sign_in(api, token, **planted)
        assert "planted" not in answer.headers["set-cookie"]
        assert answer.body["orgs"] == ["acme"]
        assert api("GET", SESSION, headers=PUBLIC | planted).status == 401

    @pytest.mark.parametrize("body", [{"add": 1}, {"add": None}, {"ad": True}, b"[]", b"{"])
    def test_a_body_that_says_something_else_is_refused(self, api: Api, body: Any) -> None:
        answer = api("POST", SESSION, body, token=api.key(Scope.READ)[0])
        assert answer.status == 400
        assert told(api) == []

    def test_no_parameter_and_no_other_method(self, api: Api) -> None:
        token, _ = api.key(Scope.READ)
        for method in ("GET", "POST", "DELETE"):
            assert api(method, f"{SESSION}?token={token}", token=token).status == 400
        answer = api("PUT", SESSION)
        assert (answer.status, answer.headers["allow"]) == (405, "DELETE, GET, HEAD, POST")

    def test_only_this_machine_gets_a_cookie_without_tls(self, api: Api) -> None:
        token, _ = api.key(Scope.READ)
        for host in ("127.0.0.1:8484", "localhost:8484", "[::1]:8484"):
            headers = {"Host": host, "Origin": ORIGIN}
            answer = api("POST", SESSION, token=token, headers=headers)
            assert answer.headers["set-cookie"].startswith("tocsin_session=")
            assert answer.headers["set-cookie"].endswith("HttpOnly; SameSite=Strict")
            plain = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
            assert api("GET", SESSION, headers=PUBLIC | plain).status == 401
            assert api("GET", SESSION, headers={"Host": host} | plain).status == 200

    def test_a_foreign_page_that_may_gets_its_own_kind_of_cookie(self, api: Api) -> None:
        headers = {"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"}
        answer = sign_in(api, api.key(Scope.READ)[0], **headers)
        assert answer.headers["set-cookie"].endswith("; Secure; SameSite=None; Partitioned")
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert answer.headers["access-control-allow-credentials"] == "true"


def item_of(api: Api, held: dict[str, str]) -> tuple[Any, str, dict[str, Any]]:
    """Return a client, the table's name, and the item of a sign-in as it is stored."""
    store: Any = api.stores.passes
    org, digest = claimed(held)
    key = {"pk": {"S": f"pass-session#{org}"}, "sk": {"S": digest.hex()}}
    found = store._client.get_item(TableName=store._table, Key=key, ConsistentRead=True)
    return store._client, store._table, found["Item"]


class TestItems:
    def test_a_sign_in_of_one_org_is_what_the_version_before_wrote(self, api: Api) -> None:
        _, _, item = item_of(api, cookie(sign_in(api, api.key(Scope.READ)[0])))
        assert item.keys() == {"pk", "sk", "key_id", "expires_at_ms", "expires_at"}

    @pytest.mark.parametrize(
        "others", [{"S": "beta"}, {"M": {"beta": {"N": "1"}}}, {"L": []}, {"NULL": True}]
    )
    def test_one_that_was_edited_by_hand_harms_itself_alone(
        self, api: Api, others: dict[str, Any]
    ) -> None:
        token, _ = api.key(Scope.READ)
        held, other = cookie(sign_in(api, token)), cookie(sign_in(api, token))
        client, table, item = item_of(api, held)
        client.put_item(TableName=table, Item=item | {"others": others})
        for method, path in (("GET", SESSION), ("GET", USAGE), ("DELETE", SESSION)):
            answer = api(method, path, headers=held)
            assert (answer.status, answer.body["code"]) == (500, "INTEGRITY")
        assert api("GET", SESSION, headers=other).status == 200

    def test_one_that_names_a_key_that_is_not_there_holds_it_not(self, api: Api) -> None:
        held = cookie(sign_in(api, api.key(Scope.READ)[0]))
        client, table, item = item_of(api, held)
        others = {"M": {"beta": {"S": "none"}, "x y/%": {"S": "k"}}}
        client.put_item(TableName=table, Item=item | {"others": others})
        assert api("GET", SESSION, headers=held).body["orgs"] == ["acme"]
        assert api("POST", ORG, {"org": "beta"}, headers=held).status == 404
        assert api("DELETE", SESSION, headers=held).status == 204


def claimed(held: dict[str, str]) -> tuple[str, bytes]:
    name = claim(Kind.SIGN_IN, held["Cookie"].partition("=")[2])
    assert name
    return name


class TestSigningOut:
    def test_it_ends_the_sign_in_and_no_other(self, api: Api) -> None:
        token, key = api.key(Scope.READ)
        held, other = cookie(sign_in(api, token)), cookie(sign_in(api, token))
        answer = api("DELETE", SESSION, headers=held)
        assert (answer.status, answer.text) == (204, "")
        assert "Max-Age=0" in answer.headers["set-cookie"]
        assert api("GET", SESSION, headers=held).status == 401
        assert api("GET", SESSION, headers=other).status == 200
        assert api("DELETE", SESSION, headers=held).status == 204
        assert api("DELETE", SESSION, headers=PUBLIC).status == 204
        assert told(api) == [*[event("auth.signin", key)] * 2, event("auth.signout", key)]

    def test_it_ends_every_org_and_each_is_told(self, api: Api) -> None:
        keys = {org: api.key(Scope.READ, org=org) for org in ("acme", "beta", "gamma")}
        held = cookie(sign_in(api, keys["acme"][0]))
        for org in ("beta", "gamma"):
            held = cookie(sign_in(api, keys[org][0], {"add": True}, **held))
        api.stores.keys.put(replace(keys["beta"][1], revoked_at_ms=2))
        api.clock.ms += 30_000
        assert api("DELETE", SESSION, headers=held).status == 204
        for org, (_, key) in keys.items():
            assert told(api, org) == [event("auth.signin", key), event("auth.signout", key)]
        for org in keys:
            assert api("POST", ORG, {"org": org}, headers=held).status == 401

    def test_of_many_at_once_one_is_told(self, api: Api) -> None:
        _, key = api.key(Scope.READ)
        opened = api.parts.signing.open(key)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(api.parts.signing.close, [opened.token] * 16))
        assert [each["type"] for each in told(api)] == ["auth.signin", "auth.signout"]

    def test_what_is_over_by_time_is_not_told(self, api: Api) -> None:
        held = cookie(sign_in(api, api.key(Scope.READ)[0]))
        api.clock.ms += 3_600_000
        assert api("GET", SESSION, headers=held).status == 401
        assert api("DELETE", SESSION, headers=held).status == 204
        assert [each["type"] for each in told(api)] == ["auth.signin"]


EVERYWHERE = f"{SESSION}?everywhere=true"


class TestSigningOutEverywhere:
    @pytest.fixture
    def there(self, api: Api) -> Iterator[Api]:
        """Another process, which remembers what it has read by itself."""
        there = Api(api.stores, clock=api.clock)
        yield there
        there.close()

    def test_all_sign_ins_with_the_key_end_and_nothing_else(self, api: Api, there: Api) -> None:
        token, key = api.key(Scope.READ)
        colleague, _ = api.key(Scope.READ)
        here, phone = cookie(sign_in(api, token)), cookie(sign_in(there, token))
        theirs = cookie(sign_in(there, colleague))
        answer = api("DELETE", EVERYWHERE, headers=here)
        assert (answer.status, answer.text) == (204, "")
        assert "Max-Age=0" in answer.headers["set-cookie"]
        for held in (here, phone):  # at once
            ended = api("GET", SESSION, headers=held)
            assert (ended.status, "signed out" in ended.body["error"]) == (401, True)
        again = cookie(sign_in(there, token))  # which still remembers the key from before
        api.clock.ms += 30_000
        assert there("GET", SESSION, headers=phone).status == 401
        for each in (api, there):
            for held in (again, theirs):
                assert each("GET", SESSION, headers=held).status == 200
            assert each("GET", USAGE, token=token).status == 200
        data = {"userId": key.holder, "keyId": key.id, "everywhere": True}
        assert told(api)[-1] == event("auth.signout", key, data=data)
        assert [each["type"] for each in told(api)].count("auth.signout") == 1

    def test_the_key_itself_does_it_too(self, api: Api) -> None:
        token, _ = api.key(Scope.READ)
        held = cookie(sign_in(api, token))
        for _ in range(2):  # and again, of those who came since
            assert api("DELETE", EVERYWHERE, token=token).status == 204
            assert api("GET", SESSION, headers=held).status == 401
            held = cookie(sign_in(api, token))
        other = api.key(Scope.READ)[0]
        assert api("DELETE", EVERYWHERE, token=other, headers=held).status == 204
        assert api("GET", SESSION, headers=held).status == 200  # the header counts, not the cookie

    def test_a_sign_in_of_several_orgs_ends_all_of_its_own(self, api: Api) -> None:
        keys = {org: api.key(Scope.READ, org=org) for org in ("acme", "beta", "gamma")}
        both = cookie(sign_in(api, keys["acme"][0]))
        both = cookie(sign_in(api, keys["beta"][0], {"add": True}, **both))
        phone = cookie(sign_in(api, keys["gamma"][0]))
        phone = cookie(sign_in(api, keys["acme"][0], {"add": True}, **phone))
        api.stores.orgs.put(Org("beta", status=OrgStatus.SUSPENDED))
        assert api("DELETE", EVERYWHERE, headers=both).status == 204
        api.stores.orgs.put(Org("beta"))
        api.clock.ms += 30_000
        for org in ("acme", "beta"):
            assert api("POST", ORG, {"org": org}, headers=both).status == 404
            assert told(api, org)[-1]["data"]["everywhere"] is True
        ended = api("GET", SESSION, headers=phone)
        assert (ended.status, ended.body["orgs"]) == (401, ["gamma"])
        phone = cookie(api("POST", ORG, {"org": "gamma"}, headers=phone))
        assert api("GET", SESSION, headers=phone).body["orgs"] == ["gamma"]
        assert [each["type"] for each in told(api, "gamma")] == ["auth.signin"]

    def test_what_takes_a_sign_in_s_place_ends_with_it_and_with_no_other(self, api: Api) -> None:
        keys = {org: api.key(Scope.READ, org=org)[0] for org in ("acme", "beta")}
        assert api("DELETE", EVERYWHERE, token=keys["acme"]).status == 204
        held = cookie(sign_in(api, keys["acme"]))
        held = cookie(sign_in(api, keys["beta"], {"add": True}, **held))
        held = cookie(api("POST", ORG, {"org": "acme"}, headers=held))
        assert api("GET", SESSION, headers=held).body["orgs"] == ["acme", "beta"]
        assert api("DELETE", EVERYWHERE, token=keys["acme"]).status == 204
        assert api("GET", SESSION, headers=held).status == 401

    def test_a_cookie_that_is_over_ends_nobody_s_sign_in(self, api: Api, there: Api) -> None:
        token, _ = api.key(Scope.READ)
        stolen = cookie(sign_in(there, token))
        assert api("DELETE", EVERYWHERE, token=token).status == 204
        held = cookie(sign_in(api, token))
        for each in (there, api):  # there the key is remembered as it was
            assert each("DELETE", EVERYWHERE, headers=stolen).status == 204
        assert api("GET", SESSION, headers=held).status == 200
        assert [each["type"] for each in told(api)].count("auth.signout") == 1

    def test_a_sign_in_that_an_older_version_stored_ends_too(self, api: Api) -> None:
        token, _ = api.key(Scope.READ)
        client, table, item = item_of(api, held := cookie(sign_in(api, token)))
        assert "sign_outs" not in item
        client.put_item(TableName=table, Item=item)
        assert api("DELETE", EVERYWHERE, token=token).status == 204
        assert api("GET", SESSION, headers=held).status == 401

    @pytest.mark.parametrize(
        ("target", "headers", "status"),
        [
            (EVERYWHERE, {}, 401),
            (EVERYWHERE, {"Authorization": "Bearer x"}, 401),
            (EVERYWHERE, {"Cookie": "__Host-tocsin_session=tocsin-session_acme_planted"}, 401),
            (f"{SESSION}?everywhere=yes", {}, 400),
            (f"{SESSION}?everywhere=true&everywhere=true", {}, 400),
            (f"{SESSION}?everywhere=false", {}, 204),
        ],
    )
    def test_it_takes_a_sign_in_or_a_key(
        self, api: Api, target: str, headers: dict[str, str], status: int
    ) -> None:
        answer = api("DELETE", target, headers=PUBLIC | headers)
        assert answer.status == status

    def test_a_page_of_elsewhere_and_a_key_that_may_not_read_can_not(self, api: Api) -> None:
        token, _ = api.key(Scope.READ)
        held = cookie(sign_in(api, token))
        assert api("DELETE", EVERYWHERE, headers=held | EVIL).status == 403
        assert api("DELETE", EVERYWHERE, token=api.key(Scope.INGEST)[0]).status == 403
        assert api("GET", SESSION, headers=held).status == 200

    def test_of_many_at_once_each_is_told_that_counted(self, api: Api) -> None:
        token, key = api.key(Scope.READ)
        opened = api.parts.signing.open(key)

        def end(at: int) -> bool:
            try:
                if at % 2:
                    api.parts.everywhere.of_key(key)
                else:
                    api.parts.everywhere.of_sign_in(opened.token)
            except Busy:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            done = list(pool.map(end, range(8)))
        found = api.stores.keys.get("acme", key.id)
        assert found
        signed_out = [each for each in told(api) if each["type"] == "auth.signout"]
        assert len(signed_out) == found.sign_outs >= 1
        assert any(done)
        assert api("GET", SESSION, headers=cookie(sign_in(api, token))).status == 200


class TestSeveralOrgs:
    @pytest.fixture
    def keys(self, api: Api) -> dict[str, tuple[str, ApiKey]]:
        return {org: api.key(Scope.READ, Scope.APPROVE, org=org) for org in ("acme", "beta")}

    @pytest.fixture
    def both(self, api: Api, keys: dict[str, tuple[str, ApiKey]]) -> dict[str, str]:
        """The cookie of a sign-in in both, with beta active."""
        held = cookie(sign_in(api, keys["acme"][0]))
        return cookie(sign_in(api, keys["beta"][0], {"add": True}, **held))

    def test_a_key_joins_what_the_cookie_holds_and_is_active(
        self, api: Api, keys: dict[str, tuple[str, ApiKey]], both: dict[str, str]
    ) -> None:
        who = api("GET", SESSION, headers=both).body
        assert (who["org"], who["orgs"]) == ("beta", ["acme", "beta"])
        assert told(api, "beta") == [event("auth.signin", keys["beta"][1])]
        assert told(api, "acme") == [event("auth.signin", keys["acme"][1])]

    def test_it_lasts_as_long_as_the_first(self, api: Api) -> None:
        first = sign_in(api, api.key(Scope.READ)[0])
        api.clock.ms += 600_000
        token, _ = api.key(Scope.READ, org="beta")
        joined = sign_in(api, token, {"add": True}, **cookie(first))
        assert joined.body["expires_at"] == first.body["expires_at"]
        assert "Max-Age=3000;" in joined.headers["set-cookie"]

    def test_without_add_the_cookie_s_orgs_stay_out(
        self, api: Api, keys: dict[str, tuple[str, ApiKey]]
    ) -> None:
        held = cookie(sign_in(api, keys["acme"][0]))
        assert sign_in(api, keys["beta"][0], **held).body["orgs"] == ["beta"]

    def test_there_must_be_something_to_join(
        self, api: Api, keys: dict[str, tuple[str, ApiKey]]
    ) -> None:
        token = keys["acme"][0]
        over = {"Cookie": "__Host-tocsin_session=tocsin-session_acme_" + "0" * 64}
        for headers in ({}, over):
            answer = api("POST", SESSION, {"add": True}, token=token, headers=PUBLIC | headers)
            assert (answer.status, answer.body["code"]) == (401, "UNAUTHORIZED")
        assert told(api) == []

    def test_another_org_is_made_active_and_every_route_goes_by_it(
        self, api: Api, keys: dict[str, tuple[str, ApiKey]], both: dict[str, str]
    ) -> None:
        answer = api("POST", ORG, {"org": "acme"}, headers=both)
        assert (answer.status, answer.body["org"]) == (200, "acme")
        assert answer.body["orgs"] == ["acme", "beta"]
        ask = {"tool": "exec", "agent": "claude", "message": "may I?"}
        api("POST", "/v1/approvals", ask, token=api.key(Scope.INGEST, org="acme")[0])
        pending = api("GET", "/v1/approvals", headers=cookie(answer)).body["approvals"]
        assert [each["tool"] for each in pending] == ["exec"]
        back = cookie(api("POST", ORG, {"org": "beta"}, headers=cookie(answer)))
        assert api("GET", "/v1/approvals", headers=back).body["approvals"] == []
        assert [each["type"] for each in told(api)] == ["auth.signin"]

    def test_the_cookie_from_before_is_over(self, api: Api, both: dict[str, str]) -> None:
        switched = cookie(api("POST", ORG, {"org": "acme"}, headers=both))
        for method, path in (("GET", SESSION), ("POST", ORG), ("GET", USAGE)):
            assert api(method, path, {"org": "beta"}, headers=both).status == 401
        assert api("GET", SESSION, headers=switched).status == 200

    def test_what_is_active_stays_so_under_the_same_cookie(
        self, api: Api, both: dict[str, str]
    ) -> None:
        answer = api("POST", ORG, {"org": "beta"}, headers=both)
        assert (answer.status, cookie(answer)) == (200, both)

    @pytest.mark.parametrize(
        "org", ["gamma", "nowhere", "acme#", "..", "\U0001f514" * 256, "acme%2Fx", "ACME"]
    )
    def test_an_org_that_it_does_not_hold_is_not_found_whether_it_is_there_or_not(
        self, api: Api, both: dict[str, str], org: str
    ) -> None:
        api.key(Scope.READ, org="gamma")
        answer = api("POST", ORG, {"org": org}, headers=both)
        assert answer.status == 404
        assert answer.body == {"error": "this session holds no such org: add it with a key of it"}

    @pytest.mark.parametrize(
        "body", [{}, {"org": ""}, {"org": 1}, {"org": None}, {"org": "x" * 10_000}, {"org": ["a"]}]
    )
    def test_a_body_that_names_none(self, api: Api, both: dict[str, str], body: Any) -> None:
        assert api("POST", ORG, body, headers=both).status == 400

    def test_a_key_alone_does_not_switch(
        self, api: Api, keys: dict[str, tuple[str, ApiKey]]
    ) -> None:
        assert api("POST", ORG, {"org": "acme"}, token=keys["acme"][0]).status == 401

    @pytest.mark.parametrize(
        ("headers", "may"),
        [
            ({"Sec-Fetch-Site": "same-origin"}, True),
            ({"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"}, True),
            ({"Sec-Fetch-Site": "cross-site"}, False),
            (EVIL, False),
            ({"Origin": "null"}, False),
        ],
    )
    def test_only_pages_that_may_use_the_cookie_switch_join_or_sign_out(
        self,
        api: Api,
        keys: dict[str, tuple[str, ApiKey]],
        both: dict[str, str],
        headers: dict[str, str],
        may: bool,
    ) -> None:
        switched = api("POST", ORG, {"org": "acme"}, headers=both | headers)
        assert switched.status == (200 if may else 403)
        held = cookie(switched) if may else both
        token, body = keys["acme"][0], {"add": True}
        joined = api("POST", SESSION, body, token=token, headers=held | headers)
        assert joined.status == (201 if may else 403)
        held = cookie(joined) if may else both
        assert api("DELETE", SESSION, headers=held | headers).status == (204 if may else 403)
        assert api("GET", SESSION, headers=held).status == (401 if may else 200)

    def test_a_revoked_key_takes_only_its_own_org_out(
        self, api: Api, keys: dict[str, tuple[str, ApiKey]], both: dict[str, str]
    ) -> None:
        api.stores.keys.put(replace(keys["beta"][1], revoked_at_ms=2))
        api.clock.ms += 30_000
        answer = api("GET", SESSION, headers=both)
        assert (answer.status, answer.body["orgs"]) == (401, ["acme"])
        assert "make another org active" in answer.body["error"]
        assert api("POST", ORG, {"org": "beta"}, headers=both).status == 404
        left = api("POST", ORG, {"org": "acme"}, headers=both)
        assert (left.status, left.body["orgs"]) == (200, ["acme"])
        found = api.stores.passes.get(Kind.SIGN_IN, *claimed(cookie(left)))
        assert found
        assert found.others == ()

    def test_the_key_of_an_inactive_org_that_is_revoked_is_gone(
        self, api: Api, keys: dict[str, tuple[str, ApiKey]], both: dict[str, str]
    ) -> None:
        api.stores.keys.put(replace(keys["acme"][1], revoked_at_ms=2))
        api.clock.ms += 30_000
        who = api("GET", SESSION, headers=both)
        assert (who.status, who.body["org"], who.body["orgs"]) == (200, "beta", ["beta"])
        assert api("POST", ORG, {"org": "acme"}, headers=both).status == 404

    def test_a_new_key_of_an_org_takes_the_old_one_s_place(
        self, api: Api, both: dict[str, str]
    ) -> None:
        token, key = api.key(Scope.READ, org="acme")
        held = cookie(sign_in(api, token, {"add": True}, **both))
        found = api.stores.passes.get(Kind.SIGN_IN, *claimed(held))
        assert found
        assert (found.org, found.key_id, [org for org, _ in found.others]) == (
            *("acme", key.id),
            ["beta"],
        )

    def test_it_holds_so_many_and_no_more(self, api: Api) -> None:
        held = cookie(sign_in(api, api.key(Scope.READ, org="org-0")[0]))
        for number in range(1, MAX_SIGNED_IN_ORGS):
            token = api.key(Scope.READ, org=f"org-{number}")[0]
            held = cookie(sign_in(api, token, {"add": True}, **held))
        token = api.key(Scope.READ, org="beyond")[0]
        answer = api("POST", SESSION, {"add": True}, token=token, headers=held)
        assert (answer.status, answer.body["code"]) == (409, "CONFLICT")
        again = api.key(Scope.READ, org="org-3")[0]
        assert sign_in(api, again, {"add": True}, **held).body["org"] == "org-3"
        assert told(api, "beyond") == []

    def test_of_those_who_switch_at_once_one_does(self, api: Api, both: dict[str, str]) -> None:
        token = both["Cookie"].partition("=")[2]

        def switch(_: int) -> str:
            try:
                return api.parts.signing.switch(token, "acme").token
            except Exception as error:
                return type(error).__name__

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(switch, range(8)))
        won = [each for each in found if each.startswith("tocsin-session_acme_")]
        assert len(won) == 1
        assert set(found) - set(won) <= {"Unauthenticated", "Busy"}
        assert api.parts.sign_ins.find(won[0], Scope.READ)[1].org == "acme"


class TestFailing:
    def test_a_wrong_secret_of_a_key_that_exists_is_told_and_bounded(self, api: Api) -> None:
        token, key = api.key(Scope.READ)
        wrong = token[:-1] + ("a" if token[-1] != "a" else "b")
        for _ in range(MAX_FAILED_SIGN_INS_PER_KEY + 3):
            assert api("POST", SESSION, token=wrong).status == 401
        data = {"keyId": key.id, "reason": "wrong-secret"}
        one = {"type": "auth.failed", "action": "deny", "data": data}
        last = one | {"data": data | {"furtherUntold": True}}
        assert told(api) == [*[one] * (MAX_FAILED_SIGN_INS_PER_KEY - 1), last]
        assert wrong.rpartition("_")[2] not in json.dumps(told(api))
        other, _ = api.key(Scope.READ)
        api("POST", SESSION, token=other + "x")
        assert len(told(api)) == MAX_FAILED_SIGN_INS_PER_KEY + 1
        api.clock.ms += 3_600_000
        api("POST", SESSION, token=wrong)
        assert len(told(api)) == MAX_FAILED_SIGN_INS_PER_KEY + 2

    @pytest.mark.parametrize(
        ("field", "reason"), [("revoked_at_ms", "revoked"), ("expires_at_ms", "expired")]
    )
    def test_a_key_that_ended_is_told_with_whose_it_was(
        self, api: Api, field: str, reason: str
    ) -> None:
        token, key = api.key(Scope.READ, person="maria@example.com")
        api.stores.keys.put(replace(key, **{field: 2}))  # type: ignore[arg-type]
        assert api("POST", SESSION, token=token).status == 401
        data = {"keyId": key.id, "reason": reason, "userId": "maria@example.com"}
        assert told(api) == [
            {
                "type": "auth.failed",
                "user_id": "maria@example.com",
                "action": "deny",
                "data": data,
            }
        ]

    @pytest.mark.parametrize(
        "token",
        [
            "x",
            "tocsin_acme_unknown_secret",
            "tocsin_nowhere_unknown_secret",
            "tocsin_acme_%2F_secret",
            "tocsin_acme_\U0001f514_secret",
            "tocsin_acme__" + "x" * 10_000,
        ],
    )
    def test_what_names_no_key_writes_nothing(self, api: Api, token: str) -> None:
        api.key(Scope.READ)
        assert api("POST", SESSION, token=token).status == 401
        assert told(api) == []

    def test_other_routes_tell_nothing(self, api: Api) -> None:
        token, _ = api.key(Scope.READ)
        for method, path in (("GET", SESSION), ("GET", USAGE), ("POST", ORG)):
            assert api(method, path, token=token + "x").status == 401
        assert told(api) == []

    @pytest.mark.parametrize("method", ["get", "write"])
    @pytest.mark.parametrize(
        "error", [Busy("b"), OutcomeUnknown("o"), IntegrityError("acme", 1, "i")]
    )
    def test_what_can_not_be_told_is_still_a_401(
        self, api: Api, method: str, error: Exception, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        token, _ = api.key(Scope.READ)

        def broken(*_: object) -> None:
            raise error

        monkeypatch.setattr(type(api.stores.sign_in_failures), method, broken)
        assert api("POST", SESSION, token=token + "x").status == 401


class TestRate:
    def test_a_key_that_writes_too_often_waits_for_the_next_minute(
        self, database: Database
    ) -> None:
        stores = database.stores()[0]
        api, there = Api(stores, per_minute=4), Api(stores, per_minute=4)
        api.clock.ms = there.clock.ms = 1_774_000_020_000  # a whole minute
        token, _ = api.key(Scope.INGEST)
        ask = {"tool": "exec", "agent": "claude", "message": "may I?"}
        api.clock.ms += 12_345
        there.clock.ms += 12_345
        for each in (api, there, api, there):
            assert each("POST", "/v1/approvals", ask, token=token).status == 201
        for each in (api, there):
            answer = each("POST", "/v1/approvals", ask, token=token)
            assert (answer.status, answer.body["code"]) == (429, "TOO_OFTEN")
            assert answer.headers["retry-after"] == "48"
        other, _ = api.key(Scope.INGEST)
        assert api("POST", "/v1/approvals", ask, token=other).status == 201
        api.clock.ms += 48_000
        assert api("POST", "/v1/approvals", ask, token=token).status == 201
        api.close()
        there.close()

    def test_reads_are_counted_by_each_instance(self, database: Database) -> None:
        stores = database.stores()[0]
        api, there = Api(stores, per_minute=3), Api(stores, per_minute=3)
        token, _ = api.key(Scope.READ)
        assert [api("GET", USAGE, token=token).status for _ in range(4)] == [200] * 3 + [429]
        assert there("GET", USAGE, token=token).status == 200
        assert api("GET", USAGE).status == 401
        api.close()
        there.close()

    def test_those_that_a_key_delegates_count_as_that_key(self, database: Database) -> None:
        api = Api(database.stores()[0], per_minute=4)
        token, _ = api.key(Scope.INGEST)
        ask = {"tool": "exec", "agent": "claude", "message": "may I?"}
        delegate = "/api/v1/delegations"
        tokens = [
            api("POST", delegate, {"scopes": ["ingest"]}, token=token).body["key"] for _ in range(2)
        ]
        asked = [api("POST", "/v1/approvals", ask, token=each).status for each in [*tokens, token]]
        assert asked == [201, 201, 429]
        api.close()

    def test_signing_in_and_switching_count_too(self, database: Database) -> None:
        api = Api(database.stores()[0], per_minute=2)
        token, _ = api.key(Scope.READ)
        held = cookie(sign_in(api, token))
        assert api("POST", ORG, {"org": "acme"}, headers=held).status == 200
        assert api("POST", ORG, {"org": "acme"}, headers=held).status == 429
        assert api("POST", SESSION, token=token).status == 429
        assert api("DELETE", SESSION, headers=held).status == 204
        assert [each["type"] for each in told(api)] == ["auth.signin", "auth.signout"]
        api.close()
