"""The API function as API Gateway calls it, its stores on MiniStack."""

import json
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import pytest

from fakes.events import batch
from support.api import ORIGIN, Api
from support.databases import Database
from tocsin.adapters.dynamodb.budgets import DynamoBudgets
from tocsin.domain import batch as batches
from tocsin.domain.batch import Batch
from tocsin.domain.errors import OutcomeUnknown
from tocsin.domain.keys import Scope
from tocsin.domain.limits import MAX_SMALL_BODY_BYTES
from tocsin.domain.org import Org, OrgStatus
from tocsin.domain.segment import seal
from tocsin.domain.times import iso_ms
from tocsin.services.sealing.project import Projector
from tocsin.wire.routes import ROUTES, ApiRoute

ASK = {"tool": "exec", "agent": "claude", "message": "may I?", "command": "rm -rf build"}
RUN = {"agent": "claude", "session": "s", "run_id": "r"}
GUARDED = [route for route in ROUTES if not route.public]
SIGNED = [route for route in ROUTES if route.signed]


@pytest.fixture
def api(database: Database) -> Iterator[Api]:
    api = Api(database.stores()[0])
    yield api
    api.close()


@pytest.fixture
def agent(api: Api) -> str:
    return api.key(Scope.INGEST)[0]


@pytest.fixture
def maria(api: Api) -> str:
    return api.key(Scope.APPROVE, person="maria@example.com")[0]


def ask(api: Api, token: str, **more: Any) -> str:
    api.clock.ms += 1  # so that ids are in the order of their making
    answer = api("POST", "/v1/approvals", ASK | more, token=token)
    assert answer.status == 201, answer.text
    return str(answer.body["id"])


def path(route: ApiRoute) -> str:
    path = (
        route.path.replace("{id}", "apr_none")
        .replace("{id:path}", "none")
        .replace("{name}", "auto-none")
    )
    return path.replace("{tool:path}", "exec")


def url_of(api: Api, token: str, id: str, answer: str = "approve") -> str:
    """Return the path and the query of a signed link."""
    made = api("POST", f"/v1/approvals/{id}/links", token=token)
    assert made.status == 200, made.text
    return str(made.body[f"{answer}_url"]).removeprefix(ORIGIN)


def called(route: ApiRoute) -> str:
    return f"{route.method} {route.path}"


class TestGuards:
    """Each route of the table with every kind of credential that may not."""

    def test_nobody_without_a_key(self, api: Api, subtests: pytest.Subtests) -> None:
        for route in GUARDED:
            for headers in (
                {},
                {"Authorization": "Basic eA=="},
                {"Authorization": "Bearer no-key"},
            ):
                with subtests.test(called(route), headers=headers):
                    answer = api(route.method, path(route), headers=headers)
                    assert (answer.status, answer.body["code"]) == (401, "UNAUTHORIZED")
                    assert "www-authenticate" in answer.headers

    def test_no_key_without_a_scope_for_it(self, api: Api, subtests: pytest.Subtests) -> None:
        tokens = {scope: api.key(scope)[0] for scope in Scope}
        for route in (each for each in GUARDED if each.scopes):
            with subtests.test(called(route)):
                assert route.scopes is not None
                others = {Scope.INGEST, Scope.READ, Scope.APPROVE} - route.scopes
                assert others
                for scope in others:
                    answer = api(route.method, path(route), {}, token=tokens[scope])
                    assert (answer.status, answer.body["code"]) == (403, "FORBIDDEN"), scope

    def test_every_key_with_one(self, api: Api, subtests: pytest.Subtests) -> None:
        tokens = {scope: api.key(scope)[0] for scope in Scope}
        for route in GUARDED:
            with subtests.test(called(route)):
                for scope in {Scope.ADMIN, *(route.scopes or set(Scope))}:
                    answer = api(route.method, path(route), {}, token=tokens[scope])
                    assert answer.status in (200, 400, 404), answer.text

    def test_no_revoked_key(self, api: Api, subtests: pytest.Subtests) -> None:
        token, key = api.key(Scope.ADMIN)
        api.stores.keys.put(replace(key, revoked_at_ms=2))
        for route in GUARDED:
            with subtests.test(called(route)):
                assert api(route.method, path(route), {}, token=token).status == 401

    @pytest.mark.parametrize("status", [each for each in OrgStatus if each is not OrgStatus.ACTIVE])
    def test_nobody_of_an_org_that_is_suspended(
        self, api: Api, status: OrgStatus, subtests: pytest.Subtests
    ) -> None:
        token, key = api.key(Scope.ADMIN)
        cookie = api.parts.signing.open(key).token
        api.stores.orgs.put(Org("acme", status=status))
        page = {"Host": "tocsin.example.com", "Sec-Fetch-Site": "same-origin"}
        page["Cookie"] = f"__Host-tocsin_session={cookie}"
        for route in GUARDED:
            with subtests.test(called(route)):
                for headers in ({"Authorization": f"Bearer {token}"}, page):
                    answer = api(route.method, path(route), {}, headers=headers)
                    assert (answer.status, answer.body["code"]) == (403, "ORG_SUSPENDED"), (
                        answer.text
                    )
                assert api(route.method, path(route), {}, token=f"{token}x").status == 401

    @pytest.mark.parametrize("route", SIGNED, ids=called)
    def test_no_link_that_opens_nothing_whatever_is_wrong_with_it(
        self, api: Api, agent: str, maria: str, route: ApiRoute
    ) -> None:
        """Nor does a key, or a cookie, help it: it is not looked at."""
        good = url_of(api, maria, ask(api, agent))
        other = url_of(api, maria, ask(api, agent))
        unlinked = ask(api, agent)
        id, _, query = good.removeprefix("/v1/approvals/").partition("/resolve?")
        parts = dict(parse_qsl(query))
        wrong: list[tuple[str, dict[str, str]]] = [
            *((id, {k: v for k, v in parts.items() if k != name}) for name in parts),
            *((id, parts | {name: "x"}) for name in parts),
            *((id, parts | {"sig": sig}) for sig in ("A" * 43, parts["sig"] + "=", "%2F" * 43)),
            (id, parts | {"approved": "false"}),
            (id, parts | {"exp": str(int(parts["exp"]) + 1)}),
            (id, parts | {"org": "beta"}),
            (id, parts | {"org": ""}),
            (unlinked, parts),
            (other.split("/")[3], parts),
            ("apr_" + "0" * 26, parts),
            ("x", parts),
        ]
        told = set()
        for token in (None, "no-key", maria, api.key(Scope.ADMIN)[0]):
            for each, given in wrong:
                target = f"/v1/approvals/{each}/resolve?{urlencode(given)}"
                answer = api(route.method, target, token=token)
                told.add((answer.status, answer.text))
                assert "www-authenticate" not in answer.headers
        [(status, text)] = told
        assert status == 403
        assert "this link opens nothing" in text
        assert len(api("GET", "/v1/approvals", token=maria).body["approvals"]) == 3

    @pytest.mark.parametrize("route", SIGNED, ids=called)
    def test_no_link_whose_time_is_over_and_nothing_is_read_for_it(
        self, api: Api, agent: str, maria: str, route: ApiRoute, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        good = url_of(api, maria, ask(api, agent))
        api.clock.ms += 121_000

        def unread(*_: object) -> None:
            raise AssertionError("it was read")

        monkeypatch.setattr(type(api.stores.approvals), "get", unread)
        for target in (good, good[:-43] + "A" * 43, good.replace("acme", "beta")):
            answer = api(route.method, target)
            assert answer.status == 410
            assert "this link has expired" in answer.text
        for target in (good[:-1], good.replace("approved=true", "approved=maybe")):
            assert api(route.method, target).status == 403

    def test_no_parameter_that_it_does_not_know(self, api: Api, subtests: pytest.Subtests) -> None:
        token = api.key(Scope.ADMIN)[0]
        for route in ROUTES:
            with subtests.test(called(route)):
                answer = api(route.method, f"{path(route)}?modle=x", {}, token=token)
                assert (answer.status, answer.body["code"]) == (400, "MALFORMED")
                assert "'modle'" in answer.body["error"]

    def test_another_org_finds_nothing(self, api: Api, agent: str) -> None:
        id = ask(api, agent)
        token = api.key(Scope.ADMIN, org="beta")[0]
        assert api("GET", f"/v1/approvals/{id}", token=token).status == 404
        answer = api("POST", f"/v1/approvals/{id}/resolve", {"approved": True}, token=token)
        assert answer.status == 404
        assert api("GET", "/v1/approvals", token=token).body["approvals"] == []

    def test_the_cookie_of_a_page_that_may(self, api: Api) -> None:
        token = api.parts.signing.open(api.key(Scope.READ)[1]).token
        cookie = {"Cookie": f"__Host-tocsin_session={token}", "Host": "tocsin.example.com"}
        assert api("GET", "/api/v1/usage", headers=cookie).status == 200
        foreign = cookie | {"Origin": "https://evil.example.com", "Sec-Fetch-Site": "cross-site"}
        assert api("GET", "/api/v1/usage", headers=foreign).status == 403

    def test_a_page_of_an_allowed_origin_may_ask_first(self, api: Api) -> None:
        headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
        answer = api("OPTIONS", "/v1/approvals", headers=headers)
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == ORIGIN


class TestErrors:
    @pytest.mark.parametrize(
        "id", ["x", "x" * 3_000, "apr_" + "0" * 26, "%00", "\u00e9" * 600, " "]
    )
    def test_an_id_of_nothing(self, api: Api, id: str) -> None:
        token = api.key(Scope.ADMIN)[0]
        for target in (
            f"/v1/approvals/{id}",
            f"/api/v1/sessions/{id}",
            f"/api/v1/agents/{id}",
            "/api/v1/agents/",
        ):
            assert api("GET", target, token=token).status in (400, 404), target
        body = {"approved": True}
        assert api("POST", f"/v1/approvals/{id}/resolve", body, token=token).status in (400, 404)
        assert api("DELETE", f"/v1/rules/auto-allowed/{id}", token=token).status in (400, 404)
        bulk = RUN | {"action": "deny", "scope": "pending", "ids": [id[:200]]}
        assert api("POST", "/v1/approvals/bulk-resolve", bulk, token=token).status == 400

    def test_a_path_that_is_not_there(self, api: Api) -> None:
        for target in ("/", "/v1/nothing", "/v1/approvals/", "/docs", "/redoc"):
            assert api("GET", target).status in (401, 404), target

    def test_a_method_that_is_not_taken(self, api: Api) -> None:
        answer = api("PATCH", "/v1/approvals")
        assert (answer.status, answer.body["code"]) == (405, "METHOD_NOT_ALLOWED")

    @pytest.mark.parametrize(
        ("target", "methods"),
        [
            ("/v1/approvals", "GET, HEAD, POST"),
            ("/v1/approvals/bulk-resolve", "POST"),
            ("/api/v1/policies", "GET, HEAD, PUT"),
            ("/v1/rules/auto-allowed/auto-1", "DELETE"),
        ],
    )
    def test_every_method_of_a_path_is_allowed(self, api: Api, target: str, methods: str) -> None:
        answer = api("PATCH", target)
        assert (answer.status, answer.headers["allow"]) == (405, methods)

    @pytest.mark.parametrize("name", ["", "x" * 257, "é" * 600], ids=["none", "long", "bytes"])
    def test_a_name_in_a_path_that_no_key_of_a_table_can_be(self, api: Api, name: str) -> None:
        token = api.key(Scope.ADMIN)[0]
        for method, target in (
            ("GET", "/v1/approvals/"),
            ("DELETE", "/v1/rules/auto-allowed/"),
            ("GET", "/api/v1/sessions/"),
            ("GET", "/api/v1/agents/"),
        ):
            answer = api(method, target + name, token=token)
            assert answer.status in (400, 404), target

    @pytest.mark.parametrize("id", ["a\nb", "\n", "a\r\n/retire", "a\u2028b", "a/"])
    def test_an_id_may_hold_anything(self, api: Api, id: str) -> None:
        token = api.key(Scope.ADMIN)[0]
        assert api("POST", "/api/v1/agents", {"id": id}, token=token).status == 201
        assert api("GET", f"/api/v1/agents/{id}", token=token).body["id"] == id
        assert api("PUT", f"/api/v1/agents/{id}", {"name": "A"}, token=token).status == 200
        assert api("POST", f"/api/v1/agents/{id}/retire", {}, token=token).body["id"] == id
        assert api("GET", f"/api/v1/agents/{id}/budget", token=token).status == 404

    def test_the_longest_name_in_a_path(self, api: Api) -> None:
        token = api.key(Scope.ADMIN)[0]
        name = "\U0001f514" * 256
        assert api("GET", f"/api/v1/agents/{name}", token=token).status == 404
        assert api("GET", f"/v1/approvals/{name}", token=token).status == 404

    def test_a_whole_number_may_have_a_point(self, api: Api, agent: str) -> None:
        body = b'{"tool": "t", "agent": "a", "message": "m", "ttl": %b}'
        assert api("POST", "/v1/approvals", body % b"60.0", token=agent).status == 201
        assert api("POST", "/v1/approvals", body % b"60.5", token=agent).status == 400

    @pytest.mark.parametrize("body", [b"{", b"[1]", b"\xff\xfe", b"[" * 100_000, b"null"], ids=repr)
    def test_a_body_that_is_none(self, api: Api, agent: str, body: bytes) -> None:
        answer = api("POST", "/v1/approvals", body, token=agent)
        assert (answer.status, answer.body["code"]) == (400, "MALFORMED")

    def test_a_body_that_is_too_large(self, api: Api, agent: str) -> None:
        answer = api("POST", "/v1/approvals", b" " * (MAX_SMALL_BODY_BYTES + 1), token=agent)
        assert (answer.status, answer.body["code"]) == (413, "TOO_LARGE")

    def test_fields_are_named(self, api: Api, agent: str) -> None:
        answer = api("POST", "/v1/approvals", {"tool": 1, "agent": "a", "x": 1}, token=agent)
        assert answer.status == 400
        assert {each["field"] for each in answer.body["details"]} == {"tool", "message", "x"}

    def test_a_long_query_is_refused(self, api: Api, agent: str) -> None:
        answer = api("GET", "/v1/approvals?after=" + "x" * 9_000, token=agent)
        assert (answer.status, answer.body["code"]) == (414, "URI_TOO_LONG")

    def test_head_is_get_without_its_body(self, api: Api) -> None:
        answer = api("HEAD", "/health")
        assert (answer.status, answer.text) == (200, "")

    def test_a_failure_is_no_stack_trace(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: object) -> None:
            raise RuntimeError("secret")

        monkeypatch.setattr(type(api.stores.orgs), "get", broken)
        answer = api("GET", "/ready")
        assert (answer.status, answer.body["code"]) == (500, "INTERNAL")
        assert "secret" not in answer.text


class TestApprovals:
    def test_the_way_of_an_approval(self, api: Api, agent: str, maria: str) -> None:
        created = api("POST", "/v1/approvals", ASK | RUN | {"ttl": 60}, token=agent)
        assert created.status == 201
        assert created.body.keys() == {"id", "status", "expires_at"}
        id = created.body["id"]
        listed = api("GET", "/v1/approvals", token=maria).body
        assert listed["run_grant_ttl_ms"] == 600_000
        [one] = listed["approvals"]
        assert one == {
            "id": id,
            "tool": "exec",
            "command": "rm -rf build",
            "agent": "claude",
            "session": "s",
            "credential_owner": one["credential_owner"],
            "message": "may I?",
            "status": "pending",
            "run_id": "r",
            "created_at": one["created_at"],
            "expires_at": created.body["expires_at"],
        }
        resolved = api(
            "POST",
            f"/v1/approvals/{id}/resolve",
            {"approved": True, "resolved_by": "bob", "reason": "it is a build folder"},
            token=maria,
        )
        assert resolved.status == 200
        assert resolved.body == {
            "id": id,
            "status": "approved",
            "approved": True,
            "persisted": False,
        }
        again = api("POST", f"/v1/approvals/{id}/resolve", {"approved": False}, token=maria)
        assert (again.status, again.body["code"]) == (410, "OVER")
        shown = api("GET", f"/v1/approvals/{id}", token=agent).body
        assert (shown["status"], shown["resolved_by"]) == ("approved", "maria@example.com")
        assert shown["claimed_by"] == "bob"
        assert shown["resolved_reason"] == "it is a build folder"
        assert api("GET", "/v1/approvals", token=maria).body["approvals"] == []

    @pytest.mark.parametrize(
        ("more", "what"),
        [
            ({}, {}),
            ({"path": "", "cwd": "/", "input": None}, {"cwd": "/"}),
            ({"input": {"z": 1.0, "a": "\u202e😀"}}, {"input": {"a": "\u202e😀", "z": 1}}),
            (RUN | {"tool_call_id": "t", "command": "curl -H 'Authorization: Bearer s3cret'"}, {}),
        ],
    )
    def test_the_call_as_it_was_sent_can_be_told_by_its_hash(
        self, api: Api, maria: str, more: dict[str, Any], what: dict[str, Any]
    ) -> None:
        token, key = api.key(Scope.INGEST)
        call = ASK | more
        who = {name: call.get(name, "") for name in ("agent", "session", "run_id", "tool_call_id")}
        hashed = {
            "what": {"tool": "exec", "command": call["command"]} | what,
            "who": who | {"owner": key.holder},
        }
        shown = api("GET", f"/v1/approvals/{ask(api, token, **more)}", token=maria).body
        text = json.dumps(hashed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert shown["sha256"] == sha256(text.encode()).hexdigest()
        assert "s3cret" not in json.dumps(shown)

    def test_a_reason_is_bounded_and_a_text(self, api: Api, agent: str, maria: str) -> None:
        id = ask(api, agent, **RUN)
        bulk = RUN | {"action": "deny", "scope": "pending", "ids": [id]}
        for reason in ("x" * 2_001, 1, None, ["x"]):
            for target, body in ((id + "/resolve", {"approved": False}), ("bulk-resolve", bulk)):
                answer = api(
                    "POST", f"/v1/approvals/{target}", body | {"reason": reason}, token=maria
                )
                assert answer.status == 400
                assert [each["field"] for each in answer.body["details"]] == ["reason"]
        strange = "\u202e<b>\x00😀" * 300
        answer = api("POST", "/v1/approvals/bulk-resolve", bulk | {"reason": strange}, token=maria)
        assert answer.status == 200
        shown = api("GET", f"/v1/approvals/{id}", token=maria).body
        assert (shown["status"], shown["resolved_reason"]) == ("denied", strange)

    def test_who_asked_may_not_answer(self, api: Api) -> None:
        token = api.key(Scope.INGEST, Scope.APPROVE)[0]
        id = ask(api, token)
        answer = api("POST", f"/v1/approvals/{id}/resolve", {"approved": True}, token=token)
        assert answer.status == 403

    def test_what_is_overdue_is_shown_as_expired(self, api: Api, agent: str, maria: str) -> None:
        id = ask(api, agent, ttl=10)
        api.clock.ms += 10_000
        assert api("GET", "/v1/approvals", token=maria).body["approvals"] == []
        assert api("GET", f"/v1/approvals/{id}", token=agent).body["status"] == "expired"
        answer = api("POST", f"/v1/approvals/{id}/resolve", {"approved": True}, token=maria)
        assert answer.status == 410

    def test_a_run_is_resolved_together(self, api: Api, agent: str, maria: str) -> None:
        ids = [ask(api, agent, **RUN) for _ in range(3)]
        [group] = api("GET", "/v1/approvals", token=maria).body["run_groups"]
        assert (group["count"], [each["id"] for each in group["items"]]) == (3, ids)
        body = RUN | {"action": "approve", "scope": "run", "ids": ids}
        answer = api("POST", "/v1/approvals/bulk-resolve", body, token=maria)
        assert answer.status == 200
        assert answer.body == {
            "resolved": 3,
            "ids": ids,
            "reviewed_ids": ids,
            "race_covered_ids": [],
            "scope": "run",
            "future_calls_authorized": True,
            "grant_ttl_ms": 600_000,
            "grant_expires_at": answer.body["grant_expires_at"],
        }
        further = api("POST", "/v1/approvals", ASK | RUN, token=agent)
        assert further.status == 200
        assert further.body["status"] == "approved"
        assert further.body["expires_at"] == answer.body["grant_expires_at"]
        assert "run-grant" in further.body["message"]

    @pytest.mark.parametrize(
        ("change", "status"),
        [
            ({"agent": None}, 400),
            ({"session": None}, 400),
            ({"run_id": None}, 400),
            ({"action": "maybe"}, 400),
            ({"scope": "all"}, 400),
            ({"ids": []}, 400),
            ({"ids": ["a", "a"]}, 400),
            ({"ids": ["foreign"]}, 400),
            ({"action": "deny", "scope": "run"}, 400),
        ],
        ids=str,
    )
    def test_what_is_wrong_with_a_bulk_request(
        self, api: Api, agent: str, maria: str, change: dict[str, Any], status: int
    ) -> None:
        ids = [ask(api, agent, **RUN)]
        body = RUN | {"action": "approve", "scope": "pending", "ids": ids} | change
        body = {name: value for name, value in body.items() if value is not None}
        assert api("POST", "/v1/approvals/bulk-resolve", body, token=maria).status == status

    def test_a_changed_queue_is_a_conflict(self, api: Api, agent: str, maria: str) -> None:
        ids = [ask(api, agent, **RUN) for _ in range(2)]
        api("POST", f"/v1/approvals/{ids[0]}/resolve", {"approved": False}, token=maria)
        body = RUN | {"action": "approve", "scope": "pending", "ids": ids}
        answer = api("POST", "/v1/approvals/bulk-resolve", body, token=maria)
        assert (answer.status, answer.body["code"]) == (409, "CHANGED")

    def test_rules_are_listed_and_removed(self, api: Api, agent: str, maria: str) -> None:
        id = ask(api, agent)
        answer = api(
            "POST", f"/v1/approvals/{id}/resolve", {"approved": True, "persist": True}, token=maria
        )
        assert answer.body["persisted"] is True
        assert api("POST", "/v1/approvals", ASK, token=agent).status == 200
        [rule] = api("GET", "/v1/rules/auto-allowed", token=maria).body["rules"]
        assert rule["command_pattern"] == "rm -rf build"
        assert (rule["index"], rule["tool"], rule["path_pattern"]) == (0, "exec", "")
        gone = api("DELETE", f"/v1/rules/auto-allowed/{rule['name']}", token=maria)
        assert gone.body == {"deleted": rule["name"]}
        again = api("DELETE", f"/v1/rules/auto-allowed/{rule['name']}", token=maria)
        assert again.status == 404
        assert api("POST", "/v1/approvals", ASK, token=agent).status == 201

    def test_pages_of_the_queue(self, api: Api, agent: str, maria: str) -> None:
        ids = [ask(api, agent) for _ in range(5)]
        found, target = list[str](), "/v1/approvals?limit=2"
        while target:
            answer = api("GET", target, token=maria)
            found += [each["id"] for each in answer.body["approvals"]]
            target = answer.headers.get("link", "").partition(">")[0].removeprefix("<")
        assert found == ids

    def test_a_queue_of_large_calls_fits_into_answers(
        self, api: Api, agent: str, maria: str
    ) -> None:
        ids = [ask(api, agent, command="\0" * 10_000, **RUN) for _ in range(60)]
        found, target, pages = list[str](), "/v1/approvals", 0
        while target:
            answer = api("GET", target, token=maria)
            assert len(json.dumps(answer.text)) < 6 * 1024 * 1024
            found += [each["id"] for each in answer.body["approvals"]]
            target = answer.headers.get("link", "").partition(">")[0].removeprefix("<")
            pages += 1
        assert found == ids
        assert pages > 1

    def test_usage(self, api: Api) -> None:
        token, key = api.key(Scope.READ)
        api.stores.quota.reserve(key.org, "2026-03", 25, 1_000)
        assert api("GET", "/api/v1/usage", token=token).body == {
            "month": "2026-03",
            "quota": 1_000_000,
            "used": 25,
            "left": 999_975,
        }


def test_what_needs_no_key(api: Api) -> None:
    assert api("GET", "/health").body == {"status": "ok"}
    assert api("GET", "/ready").body == {"status": "ok"}
    assert "tocsin_up 1\n" in api("GET", "/metrics").text


class TestLinks:
    """Signed links, as somebody without a key uses them."""

    def test_the_way_of_a_link(self, api: Api, agent: str, maria: str) -> None:
        id = ask(api, agent, session="s", reason="tidy")
        made = api("POST", f"/v1/approvals/{id}/links", token=maria)
        assert made.status == 200
        again = api("POST", f"/v1/approvals/{id}/links", {}, token=maria)
        assert again.body == made.body
        asked = api("GET", f"/v1/approvals/{id}", token=maria).body
        assert made.body["expires_at"] == asked["expires_at"]
        assert asked["linked_by"] == "maria@example.com"
        assert "secret" not in str(asked)
        for answer in ("approve", "deny"):
            assert made.body[f"{answer}_url"].startswith(f"{ORIGIN}/v1/approvals/{id}/resolve?")

        target = made.body["approve_url"].removeprefix(ORIGIN)
        page = api("GET", target)
        assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        for said in ("claude", "rm -rf build", "may I?", "tidy", asked["expires_at"]):
            assert said in page.text
        for _ in range(3):
            assert api("GET", target).status == 200
            head = api("HEAD", target)
            assert (head.status, head.text) == (200, "")
        assert api("GET", f"/v1/approvals/{id}", token=maria).body["status"] == "pending"

        done = api("POST", target)
        assert done.body == {
            "id": id,
            "status": "approved",
            "approved": True,
            "persisted": False,
        }
        shown = api("GET", f"/v1/approvals/{id}", token=agent).body
        assert (shown["status"], shown["resolved_by"]) == ("approved", "signed-link")
        for link in (target, made.body["deny_url"].removeprefix(ORIGIN)):
            over = api("POST", link, {})
            assert (over.status, over.body["code"]) == (410, "OVER")
            page = api("GET", link)
            assert (page.status, "approved before, by signed-link" in page.text) == (410, True)
            assert "<form" not in page.text
        assert api("POST", f"/v1/approvals/{id}/links", token=maria).status == 410

    @pytest.mark.parametrize("status", [200, 403, 410])
    def test_a_page_is_neither_kept_nor_framed_nor_told_of(
        self, api: Api, agent: str, maria: str, status: int
    ) -> None:
        target = url_of(api, maria, ask(api, agent))
        target = target[:-43] + "A" * 43 if status == 403 else target
        api.clock.ms += 200_000 if status == 410 else 0
        page = api("GET", target)
        assert page.status == status
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert "default-src 'none'" in page.headers["content-security-policy"]

    @pytest.mark.parametrize(
        "body", [None, {}, {"approved": False}, {"approved": False, "persist": False}], ids=str
    )
    def test_json_or_nothing_is_answered_with_json(
        self, api: Api, agent: str, maria: str, body: Any
    ) -> None:
        target = url_of(api, maria, ask(api, agent), "deny")
        headers = {"Origin": "https://mail.example.com", "Sec-Fetch-Site": "cross-site"}
        answer = api("POST", target, body, headers=headers)
        assert (answer.status, answer.body["status"]) == (200, "denied")

    def test_a_form_is_answered_with_a_page(self, api: Api, agent: str, maria: str) -> None:
        target = url_of(api, maria, ask(api, agent))
        form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "null"}
        wrong = api("POST", target, b"approved=false", headers=form)
        assert (wrong.status, "text/html" in wrong.headers["content-type"]) == (400, True)
        for status, said in ((200, "The call is approved"), (410, "approved before")):
            page = api("POST", target, b"approved=true", headers=form)
            assert (page.status, said in page.text) == (status, True)
            assert page.headers["referrer-policy"] == "no-referrer"

    def test_a_form_whose_outcome_is_unknown_is_to_be_sent_again(
        self, api: Api, agent: str, maria: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target = url_of(api, maria, ask(api, agent))

        def lost(*_: object) -> bool:
            raise OutcomeUnknown("it may have been stored")

        with monkeypatch.context() as patch:
            patch.setattr(type(api.stores.approvals), "write", lost)
            page = api("POST", target, b"approved=true")
        assert (page.status, "Try it again" in page.text) == (503, True)
        assert "Nothing was changed" not in page.text
        assert api("POST", target, b"approved=true").status == 200

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({"approved": False}, 400),
            ({"approved": "true"}, 400),
            ({"x": 1}, 400),
            ({"approved": True, "persist": True}, 403),
            ({"persist": True}, 403),
            (b"{", 400),
            (b" " * (MAX_SMALL_BODY_BYTES + 1), 413),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_what_a_link_does_not_do(
        self, api: Api, agent: str, maria: str, body: Any, status: int
    ) -> None:
        target = url_of(api, maria, id := ask(api, agent))
        assert api("POST", target, body).status == status
        assert api("GET", f"/v1/approvals/{id}", token=maria).body["status"] == "pending"

    def test_beside_a_key_or_a_cookie_it_is_the_link_that_answers(
        self, api: Api, agent: str, maria: str
    ) -> None:
        cookie = {"Cookie": "__Host-tocsin_session=x", "Origin": "https://evil.example.com"}
        for token, headers in ((maria, {}), (agent, {}), ("no-key", {}), (None, cookie)):
            target = url_of(api, maria, id := ask(api, agent))
            assert api("POST", target, token=token, headers=headers).status == 200
            shown = api("GET", f"/v1/approvals/{id}", token=maria).body
            assert shown["resolved_by"] == "signed-link"

    def test_what_was_asked_is_never_approved_by_its_own_key(self, api: Api, agent: str) -> None:
        token, _ = api.key(Scope.INGEST, Scope.APPROVE)
        id = ask(api, token)
        assert api("POST", f"/v1/approvals/{id}/links", token=token).status == 403
        assert api("POST", f"/v1/approvals/{id}/links", token=agent).status == 403

    def test_making_takes_no_fields(self, api: Api, agent: str, maria: str) -> None:
        id = ask(api, agent)
        answer = api("POST", f"/v1/approvals/{id}/links", {"approved": True}, token=maria)
        assert (answer.status, answer.body["details"][0]["field"]) == (400, "approved")

    def test_without_a_public_address_it_says_what_to_set(self, database: Database) -> None:
        api = Api(database.stores()[0], public_url=None)
        id = ask(api, api.key(Scope.INGEST)[0])
        answer = api("POST", f"/v1/approvals/{id}/links", token=api.key(Scope.APPROVE)[0])
        assert (answer.status, answer.body["code"]) == (409, "CONFLICT")
        assert "TOCSIN_PUBLIC_URL" in answer.body["error"]
        api.close()

    def test_what_agents_write_is_masked_and_escaped(
        self, api: Api, agent: str, maria: str
    ) -> None:
        command = "<script>x</script> \u202e curl -H 'Authorization: Bearer sk-0123456789abcdef'"
        id = ask(api, agent, command=command, input={"api_key": "sk-0123456789abcdef"})
        page = api("GET", url_of(api, maria, id)).text
        assert "&lt;script&gt;" in page
        assert "\\u{202e}" in page
        assert "sk-0123456789abcdef" not in page
        assert page.count("[masked:") == 2


class TestCalls:
    BODY: dict[str, Any] = {  # noqa: RUF012 (never changed)
        "agent": "claude",
        "session": "s",
        "params": {"command": "git status"},
        "tool_call_id": "t",
    }

    def rm(self, **more: Any) -> dict[str, Any]:
        return self.BODY | {"params": {"command": "rm -rf build"}} | more

    def test_policies_see_what_a_tool_s_server_declares(self, api: Api, agent: str) -> None:
        admin = api.key(Scope.ADMIN)[0]
        text = (
            "permit(principal, action, resource);"
            "forbid(principal, action, resource)"
            ' when { resource.annotations.contains("destructiveHint=true") };'
        )
        api("PUT", "/api/v1/policies", {"policies": text}, token=admin)
        said = [
            api("POST", "/v1/tool/exec", self.BODY | {"annotations": each}, token=agent).status
            for each in ({"destructiveHint": False, "title": "Run"}, {"destructiveHint": True})
        ]
        assert said == [200, 403]
        for hint in ({"a": 1}, {"a": None}, {"": True}, {"a": {"b": True}}, {"x" * 257: True}):
            answer = api("POST", "/v1/tool/exec", self.BODY | {"annotations": hint}, token=agent)
            assert answer.status == 400, hint
        calls = [{"tool": "t", "labels": {"a": "b"}, "annotations": {"destructiveHint": True}}]
        tested = api("POST", "/api/v1/policies/test", {"calls": calls}, token=admin).body
        assert tested["results"][0]["decision"] == "deny"

    def test_what_is_allowed(self, api: Api, agent: str) -> None:
        answer = api("POST", "/v1/tool/exec", self.BODY, token=agent)
        assert answer.status == 200
        assert answer.body == {
            "allowed": True,
            "decision": "allow",
            "message": "",
            "policy": "allow-all",
            "eval_duration_us": answer.body["eval_duration_us"],
        }

    def test_what_is_denied(self, api: Api, agent: str) -> None:
        body = self.BODY | {"params": {"path": "/home/me/.aws/credentials"}}
        answer = api("POST", "/v1/tool/read", body, token=agent)
        assert answer.status == 403
        assert (answer.body["allowed"], answer.body["policy"]) == (False, "deny-credentials")
        assert answer.body["suggestions"]

    def test_what_must_be_approved_is_allowed_once(self, api: Api, agent: str, maria: str) -> None:
        answer = api("POST", "/v1/tool/exec", self.rm(), token=agent)
        assert (answer.status, answer.body["approval_status"]) == (202, "pending")
        id = answer.body["approval_id"]
        resolved = api("POST", f"/v1/approvals/{id}/resolve", {"approved": True}, token=maria)
        assert resolved.status == 200
        allowed = api("POST", "/v1/tool/exec", self.rm(), token=agent)
        assert (allowed.status, allowed.body["approval_id"]) == (200, id)
        assert api("POST", "/v1/tool/exec", self.rm(), token=agent).status == 202

    def test_a_preflight_says_and_does_nothing(self, api: Api, agent: str, maria: str) -> None:
        answer = api("POST", "/v1/preflight/exec", self.rm(), token=agent)
        assert answer.status == 200
        assert answer.body == {
            "allowed": False,
            "decision": "ask",
            "message": "This removes or overwrites what may not come back.",
            "matched_policies": ["ask-destructive-commands"],
            "eval_duration_us": answer.body["eval_duration_us"],
            "suggestions": answer.body["suggestions"],
            "enforced": False,
        }
        assert api("GET", "/v1/approvals", token=maria).body["approvals"] == []
        enforced = api("POST", "/v1/preflight/exec", self.rm(enforce=True), token=agent)
        assert (enforced.status, enforced.body["enforced"]) == (200, True)
        assert len(api("GET", "/v1/approvals", token=maria).body["approvals"]) == 1

    @pytest.mark.parametrize(
        "change", [{"agent": ""}, {"params": None}, {"params": 1}, {"surprise": 1}], ids=str
    )
    def test_what_is_no_call(self, api: Api, agent: str, change: dict[str, Any]) -> None:
        answer = api("POST", "/v1/tool/exec", self.BODY | change, token=agent)
        assert answer.status == 400

    def test_a_name_with_a_slash(self, api: Api, agent: str) -> None:
        answer = api("POST", "/v1/preflight/mcp/github/push", self.BODY, token=agent)
        assert answer.status == 200
        assert api("POST", "/v1/preflight/" + "x" * 300, self.BODY, token=agent).status == 400


class TestPolicies:
    TEXT = '@id("only-reads") permit(principal, action, resource == Tool::"read");'

    def test_they_are_changed_and_decide(self, api: Api, agent: str) -> None:
        admin = api.key(Scope.ADMIN, person="ada")[0]
        first = api("GET", "/api/v1/policies", token=admin).body
        assert (first["version"], first["count"]) == (0, 5)
        dry = api("PUT", "/api/v1/policies?dry_run=true", {"policies": self.TEXT}, token=admin)
        assert dry.body == {"dry_run": True, "count": 1}
        put = api("PUT", "/api/v1/policies", {"policies": self.TEXT, "version": 0}, token=admin)
        assert (put.status, put.body["version"], put.body["created_by"]) == (200, 1, "ada")
        again = api("PUT", "/api/v1/policies", {"policies": "", "version": 0}, token=admin)
        assert again.status == 409
        answer = api("POST", "/v1/tool/exec", TestCalls.BODY, token=agent)
        assert (answer.status, answer.body["message"]) == (403, "no policy permits it")
        assert api("GET", "/api/v1/policies?version=1", token=admin).body["policies"] == self.TEXT
        assert api("GET", "/api/v1/policies?version=9", token=admin).status == 404

    def test_what_is_no_policy_is_named(self, api: Api) -> None:
        admin = api.key(Scope.ADMIN)[0]
        for text in ("permit", "(" * 40_000):
            answer = api("PUT", "/api/v1/policies", {"policies": text}, token=admin)
            assert answer.status == 400
            assert answer.body["details"][0]["field"] == "policies"

    def test_a_test_says_what_is_otherwise_than_expected(self, api: Api) -> None:
        reader = api.key(Scope.READ)[0]
        calls = [
            {"tool": "exec", "params": {"command": "ls"}, "expect": "allow"},
            {"tool": "exec", "params": {"command": "npm publish"}, "expect": "deny"},
        ]
        answer = api("POST", "/api/v1/policies/test", {"calls": calls}, token=reader).body
        assert [each["ok"] for each in answer["results"]] == [True, False]
        assert answer["failed"] == 1
        body = {"calls": calls, "policies": ""}
        answer = api("POST", "/api/v1/policies/test", body, token=reader).body
        assert [each["decision"] for each in answer["results"]] == ["deny", "deny"]

    def test_the_status(self, api: Api) -> None:
        answer = api("GET", "/v1/status", token=api.key(Scope.READ)[0]).body
        assert answer == {
            "config_path": "/api/v1/policies?version=0",
            "mode": "enforce",
            "default_action": "deny",
            "policy_count": 5,
            "rule_count": 0,
            "call_counts": {"total": 0, "deny": 0},
        }


class TestProjections:
    @pytest.fixture
    def reader(self, api: Api) -> str:
        return api.key(Scope.READ)[0]

    def seen(self, api: Api, **fields: Any) -> None:
        salt = api.clock.ms % 1_000
        made = batch("acme", 1, api.clock.ms, salt, **fields)
        api.stores.journal.put(made, batches.pack(made.entries))
        head = api.stores.ledger.head("acme")
        segment, _ = seal("acme", head, [made], api.clock.ms)
        api.stores.ledger.commit(segment, head)
        api.clock.ms += 1
        Projector(
            ledger=api.stores.ledger,
            journal=api.stores.journal,
            projections=api.stores.projections,
        )(["acme"])

    def test_agents_and_sessions_by_ids_with_slashes(self, api: Api, reader: str) -> None:
        self.seen(api, agent_id="team/a b", session_id="s/1", model="m", total_tokens=7)
        [agent] = api("GET", "/api/v1/agents", token=reader).body["data"]
        assert (agent["id"], agent["total_tokens"]) == ("team/a b", 7)
        assert api("GET", "/api/v1/agents/team/a b", token=reader).body == agent
        answer = api("GET", "/api/v1/sessions?limit=1", token=reader).body
        assert (answer["total"], answer["data"][0]["id"]) == (1, "s/1")
        assert api("GET", "/api/v1/sessions/s/1", token=reader).status == 200
        assert api("GET", "/api/v1/sessions/s/2", token=reader).status == 404

    def test_costs(self, api: Api, reader: str) -> None:
        now = iso_ms(api.clock.ms)
        self.seen(api, agent_id="a", model="m", cost_usd=0.5, total_tokens=7, timestamp=now)
        summary = api("GET", "/api/v1/costs/summary", token=reader).body
        assert (summary["total_cost_usd"], summary["total_requests"]) == (0.5, 1)
        [row] = api("GET", "/api/v1/costs/breakdown?group_by=model", token=reader).body["data"]
        assert (row["group"], row["cost_usd"]) == ("m", 0.5)
        [row] = api("GET", "/api/v1/costs/timeseries?agent_id=a", token=reader).body["data"]
        assert (row["tokens"], row["requests"]) == (7, 1)
        for query in ("granularity=year", "from=soon", "group_by=x"):
            answer = api("GET", f"/api/v1/costs/summary?{query}", token=reader)
            assert answer.status == 400, query

    def test_another_org_sees_nothing_of_it(self, api: Api) -> None:
        self.seen(api, agent_id="a", session_id="s")
        other = api.key(Scope.ADMIN, org="beta")[0]
        assert api("GET", "/api/v1/agents", token=other).body["data"] == []
        assert api("GET", "/api/v1/agents/a", token=other).status == 404
        assert api("GET", "/api/v1/costs/summary", token=other).body["total_requests"] == 0


class TestBudgets:
    LIMITS: dict[str, Any] = {"limits": {"cost_usd_per_day": 2.5, "calls_per_month": 10}}  # noqa: RUF012

    @pytest.fixture
    def admin(self, api: Api) -> str:
        return api.key(Scope.ADMIN, person="ada")[0]

    def test_one_is_made_changed_and_removed(self, api: Api, admin: str) -> None:
        body = self.LIMITS | {"user_id": "maria", "action": "throttle", "name": "Maria's"}
        made = api("POST", "/api/v1/budgets", body, token=admin)
        assert made.status == 201
        assert made.body == {
            "id": made.body["id"],
            "name": "Maria's",
            "of": "user",
            "user_id": "maria",
            **self.LIMITS,
            "action": "throttle",
            "enabled": True,
            "status": "active",
            "exceeded": [],
            "usage": {
                period: {"cost_usd": 0, "tokens": 0, "calls": 0} for period in ("day", "month")
            },
            "created_at": iso_ms(api.clock.ms),
            "created_by": "ada",
        }
        one = f"/api/v1/budgets/{made.body['id']}"
        assert api("GET", one, token=admin).body == made.body
        assert api("GET", "/api/v1/budgets", token=admin).body["data"] == [made.body]
        off = api("PUT", one, body | {"enabled": False}, token=admin).body
        assert off == made.body | {"status": "disabled", "enabled": False}
        overview = api("GET", "/api/v1/budgets/overview", token=admin).body
        assert overview == {
            "data": [off],
            "total": 1,
            "active": 0,
            "triggered": 0,
            "disabled": 1,
        }
        assert api("DELETE", one, token=admin).body == {"deleted": made.body["id"]}
        assert api("DELETE", one, token=admin).status == 404

    @pytest.mark.parametrize("agent", ["claude", "team/a b", "é😀", "x/budget"])
    def test_an_agent_has_one_of_its_own(self, api: Api, admin: str, agent: str) -> None:
        path = f"/api/v1/agents/{agent}/budget"
        assert api("GET", path, token=admin).status == 404
        put = api("PUT", path, self.LIMITS, token=admin)
        assert (put.status, put.body["agent_id"], put.body["of"]) == (200, agent, "agent")
        assert api("GET", path, token=admin).body == put.body
        assert api("GET", "/api/v1/agents/claude-2/budget", token=admin).status == 404
        assert api("DELETE", path, token=admin).status == 200
        assert api("GET", path, token=admin).status == 404

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"limits": {}},
            {"limits": {"calls_per_day": -1}},
            {"limits": {"calls_per_day": 1.5}},
            {"limits": {"calls_per_day": True}},
            {"limits": {"calls_per_day": 2**53}},
            {"limits": {"calls_per_day": "7"}},
            {"limits": {"cost_usd_per_day": True}},
            {"limits": {"cost_usd_per_day": 1e7}},
            {"limits": {"calls_per_week": 1}},
            {"limits": {"calls_per_day": 1}, "agent_id": "a", "user_id": "u"},
            {"limits": {"calls_per_day": 1}, "agent_id": ""},
            {"limits": {"calls_per_day": 1}, "action": "stop"},
            {"limits": {"calls_per_day": 1}, "action": "revoke"},
            {"limits": {"calls_per_day": 1}, "action": "revoke", "session_id": "s"},
            b'{"limits": {"cost_usd_per_day": 1e400}}',
            b'{"limits": {"cost_usd_per_day": NaN}}',
        ],
        ids=str,
    )
    def test_what_is_no_budget(self, api: Api, admin: str, body: Any) -> None:
        assert api("POST", "/api/v1/budgets", body, token=admin).status == 400

    def test_one_that_is_used_up_denies_the_agent_s_calls(self, api: Api, admin: str) -> None:
        body = {"limits": {"calls_per_day": 0}, "action": "block", "agent_id": "claude"}
        id = api("POST", "/api/v1/budgets", body, token=admin).body["id"]
        agent = api.key(Scope.INGEST)[0]
        call = {"agent": "claude", "session": "s", "params": {"command": "git status"}}
        for route in ("/v1/tool/exec", "/v1/preflight/exec"):
            answer = api("POST", route, call, token=agent)
            assert answer.body["decision"] == "deny"
            assert "budget of the agent claude" in answer.body["message"]
            other = api("POST", route, call | {"agent": "other"}, token=agent)
            assert "budget" not in other.body["message"]
        api("POST", "/api/v1/agents", {"id": "claude"}, token=admin)
        api("POST", "/api/v1/agents", {"id": "other"}, token=admin)
        said = {
            id: api("GET", f"/api/v1/agents/{id}", token=admin).body["status"]
            for id in ("claude", "other")
        }
        assert said == {"claude": "blocked", "other": "idle"}
        put = body | {"action": "throttle"}
        assert api("PUT", f"/api/v1/budgets/{id}", put, token=admin).body["status"] == "triggered"
        api.clock.ms += 3_000
        assert api("POST", "/v1/tool/exec", call, token=agent).status != 429
        answer = api("POST", "/v1/tool/exec", call, token=agent)
        assert (answer.status, answer.headers["retry-after"]) == (429, "10")

    @pytest.mark.parametrize(("of", "whose"), [("agent_id", "agent"), ("user_id", "person")])
    def test_one_that_revokes_ends_the_keys_of_its_subject(
        self, api: Api, admin: str, of: str, whose: str
    ) -> None:
        def made(**said: Any) -> str:
            body = {"scopes": ["ingest"]} | said
            return str(api("POST", "/api/v1/keys", body, token=admin).body["key"])

        mine, others = made(**{whose: "claude"}), made(**{whose: "other"})
        also = made(**{whose: "claude", "scopes": ["admin"]})
        body = {"limits": {"calls_per_day": 0}, "action": "revoke", of: "claude"}
        assert api("POST", "/api/v1/budgets", body, token=admin).body["status"] == "triggered"
        api.clock.ms += 60_000
        call = {"agent": "claude", "session": "s", "params": {}}
        statuses = [
            api("POST", "/v1/preflight/exec", call | {"agent": agent}, token=token).status
            for token, agent in ((mine, "claude"), (others, "other"), (also, "claude"))
        ]
        assert statuses == [401, 200, 200]

    def test_another_org_finds_nothing(self, api: Api, admin: str) -> None:
        id = api("POST", "/api/v1/budgets", self.LIMITS, token=admin).body["id"]
        other = api.key(Scope.ADMIN, org="beta")[0]
        for method in ("GET", "DELETE"):
            assert api(method, f"/api/v1/budgets/{id}", token=other).status == 404
        assert api("PUT", f"/api/v1/budgets/{id}", self.LIMITS, token=other).status == 404
        assert api("GET", "/api/v1/budgets", token=other).body["data"] == []

    def test_one_that_was_damaged_by_hand_holds_up_no_other(self, api: Api, admin: str) -> None:
        ids = [
            api("POST", "/api/v1/budgets", self.LIMITS, token=admin).body["id"] for _ in range(2)
        ]
        store = api.stores.budgets
        assert isinstance(store, DynamoBudgets)
        item = store._get("budget#acme", ids[0])
        store._put("budget#acme", ids[0], {**(item or {}), "limits": {"S": "[{}]"}})
        [left] = api("GET", "/api/v1/budgets", token=admin).body["data"]
        assert left["id"] == ids[1]
        answer = api("GET", f"/api/v1/budgets/{ids[0]}", token=admin)
        assert (answer.status, answer.body["code"]) == (500, "INTEGRITY")


class TestKeys:
    @pytest.fixture
    def admin(self, api: Api) -> str:
        return api.key(Scope.ADMIN, person="ada")[0]

    def test_a_key_is_made_shown_once_and_works(self, api: Api, admin: str) -> None:
        body = {"scopes": ["read"], "name": "dash", "person": "maria", "types": ["tool_call"]}
        made = api("POST", "/api/v1/keys", body, token=admin)
        assert made.status == 201
        token, id = made.body["key"], made.body["id"]
        assert api("GET", "/api/v1/usage", token=token).status == 200
        assert api("GET", "/api/v1/keys", token=token).status == 403
        listed = api("GET", "/api/v1/keys", token=admin)
        assert token not in listed.text
        [one] = [each for each in listed.body["data"] if each["id"] == id]
        assert one == {
            "id": id,
            "name": "dash",
            "person": "maria",
            "agent": None,
            "delegated_by": None,
            "scopes": ["read"],
            "types": ["tool_call"],
            "created_at": one["created_at"],
            "expires_at": None,
            "revoked_at": None,
        }

    def test_a_revoked_key_stops_within_a_minute(self, api: Api, admin: str) -> None:
        made = api("POST", "/api/v1/keys", {"scopes": ["read"]}, token=admin).body
        assert api("GET", "/api/v1/usage", token=made["key"]).status == 200
        assert api("DELETE", f"/api/v1/keys/{made['id']}", token=admin).body["revoked_at"]
        api.clock.ms += 60_000
        assert api("GET", "/api/v1/usage", token=made["key"]).status == 401
        assert api("DELETE", f"/api/v1/keys/{made['id']}", token=admin).status == 200
        assert api("POST", f"/api/v1/keys/{made['id']}/rotate", {}, token=admin).status == 404

    def test_a_key_that_is_rotated_works_on_for_a_while(self, api: Api, admin: str) -> None:
        old = api("POST", "/api/v1/keys", {"scopes": ["read"], "name": "n"}, token=admin).body
        body = {"overlap_seconds": 3_600}
        new = api("POST", f"/api/v1/keys/{old['id']}/rotate", body, token=admin)
        assert (new.status, new.body["name"], new.body["scopes"]) == (201, "n", ["read"])
        for _ in range(2):
            assert api("GET", "/api/v1/usage", token=new.body["key"]).status == 200
            assert api("GET", "/api/v1/usage", token=old["key"]).status == 200
            api.clock.ms += 1_700_000
        api.clock.ms += 300_000
        assert api("GET", "/api/v1/usage", token=old["key"]).status == 401
        assert api("GET", "/api/v1/usage", token=new.body["key"]).status == 200

    def test_a_key_expires(self, api: Api, admin: str) -> None:
        at = iso_ms(api.clock.ms + 1_000)
        body = {"scopes": ["read"], "expires_at": at}
        made = api("POST", "/api/v1/keys", body, token=admin).body
        assert made["expires_at"] == at
        assert api("GET", "/api/v1/usage", token=made["key"]).status == 200
        api.clock.ms += 1_000
        assert api("GET", "/api/v1/usage", token=made["key"]).status == 401

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"scopes": []},
            {"scopes": ["root"]},
            {"scopes": ["read"], "types": ["no type!"]},
            {"scopes": ["read"], "expires_at": "soon"},
            {"scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"},
            {"scopes": ["read"], "org": "beta"},
        ],
        ids=str,
    )
    def test_what_is_no_key(self, api: Api, admin: str, body: Any) -> None:
        assert api("POST", "/api/v1/keys", body, token=admin).status == 400

    def test_another_orgs_keys_are_not_there(self, api: Api, admin: str) -> None:
        made = api("POST", "/api/v1/keys", {"scopes": ["read"]}, token=admin).body
        other = api.key(Scope.ADMIN, org="beta")[0]
        for id in (made["id"], "x" * 200, "%00"):
            assert api("DELETE", f"/api/v1/keys/{id}", token=other).status == 404
            assert api("POST", f"/api/v1/keys/{id}/rotate", {}, token=other).status == 404
        assert len(api("GET", "/api/v1/keys", token=other).body["data"]) == 1

    def test_each_change_is_told_without_the_token(self, api: Api, admin: str) -> None:
        made = api("POST", "/api/v1/keys", {"scopes": ["read"]}, token=admin).body
        new = api("POST", f"/api/v1/keys/{made['id']}/rotate", {}, token=admin).body
        api("DELETE", f"/api/v1/keys/{new['id']}", token=admin)
        told = []
        for stored in api.stores.journal.between("acme", "", "z", 100):
            found = stored.unpack()
            assert isinstance(found, Batch)
            told += [json.loads(entry) for entry in found.entries]
        types = ["tocsin.key_created", "tocsin.key_rotated", "tocsin.key_revoked"]
        assert sorted(each["type"] for each in told) == sorted(types)
        assert {each["user_id"] for each in told} == {"ada"}
        assert made["key"] not in str(told)


class TestAgents:
    @pytest.fixture
    def admin(self, api: Api) -> str:
        return api.key(Scope.ADMIN, person="ada")[0]

    def told(self, api: Api) -> list[dict[str, Any]]:
        found = []
        for stored in api.stores.journal.between("acme", "", "z", 100):
            batch = stored.unpack()
            assert isinstance(batch, Batch)
            found += [json.loads(entry) for entry in batch.entries]
        return [each for each in found if each["source"] == "tocsin"]

    def test_an_agent_is_created_with_a_key_of_its_own(self, api: Api, admin: str) -> None:
        body = {
            "id": "team/claude",
            "name": "Claude",
            "description": "writes code",
            "framework": "mcp",
            "labels": {"team": "payments"},
            "key": {"scopes": ["ingest"]},
        }
        made = api("POST", "/api/v1/agents", body, token=admin)
        assert made.status == 201
        shown = dict(made.body)
        key = shown.pop("key")
        assert (key["agent"], key["scopes"]) == ("team/claude", ["ingest"])
        assert shown == api("GET", "/api/v1/agents/team/claude", token=admin).body
        for name in ("id", "name", "description", "framework", "labels"):
            assert shown[name] == body[name]
        assert (shown["status"], shown["first_seen_at"]) == ("idle", None)
        ask = ASK | {"agent": "team/claude"}
        assert api("POST", "/v1/approvals", ask, token=key["key"]).status == 201
        told = {each["type"]: each for each in self.told(api)}
        assert told.keys() == {"agent.created", "tocsin.key_created", "approval.created"}
        created, issued = told["agent.created"], told["tocsin.key_created"]
        assert created["agent_id"] == created["data"]["agentId"] == "team/claude"
        assert created["data"]["keyId"] == issued["request"]["key_id"] == key["id"]
        assert key["key"] not in str(self.told(api))

    def test_it_is_created_once(self, api: Api, admin: str) -> None:
        assert api("POST", "/api/v1/agents", {"id": "a"}, token=admin).status == 201
        body = {"id": "a", "key": {"scopes": ["read"]}}
        answer = api("POST", "/api/v1/agents", body, token=admin)
        assert (answer.status, answer.body["code"]) == (409, "CONFLICT")
        assert len(api("GET", "/api/v1/keys", token=admin).body["data"]) == 1
        assert len(self.told(api)) == 1

    def test_what_is_given_changes_and_the_rest_stays(self, api: Api, admin: str) -> None:
        TestProjections().seen(api, agent_id="a", session_id="s", model="m")
        first = api("PUT", "/api/v1/agents/a", {"name": "A", "labels": {"x": "1"}}, token=admin)
        assert (first.status, first.body["name"], first.body["last_model_used"]) == (200, "A", "m")
        second = api("PUT", "/api/v1/agents/a", {"description": "d"}, token=admin).body
        assert (second["name"], second["description"]) == ("A", "d")
        assert second["labels"] == {"x": "1"}
        third = api("PUT", "/api/v1/agents/a", {"name": "", "labels": {}}, token=admin).body
        assert (third["name"], third["labels"]) == ("a", {})
        [listed] = api("GET", "/api/v1/agents", token=admin).body["data"]
        assert listed == third == api("GET", "/api/v1/agents/a", token=admin).body
        assert api("PUT", "/api/v1/agents/a", {"description": "d"}, token=admin).status == 200
        assert [each["type"] for each in self.told(api)] == ["agent.updated"] * 3

    def test_one_that_has_sent_nothing_is_listed(self, api: Api, admin: str) -> None:
        for id in ("both", "team/new", "a\n#\U0001f514", "z"):
            api("POST", "/api/v1/agents", {"id": id, "name": id.upper()}, token=admin)
        for id in ("sent", "both"):
            TestProjections().seen(api, agent_id=id, session_id="s")
        api("POST", "/api/v1/agents/z/retire", {}, token=admin)
        other = api.key(Scope.ADMIN, org="beta")[0]
        api("POST", "/api/v1/agents", {"id": "theirs"}, token=other)
        whole = api("GET", "/api/v1/agents", token=admin).body
        assert [(each["id"], each["status"]) for each in whole["data"]] == [
            ("both", "active"),
            ("sent", "active"),
            ("a\n#\U0001f514", "idle"),
            ("team/new", "idle"),
            ("z", "retired"),
        ]
        assert (whole["total"], whole["next_cursor"]) == (5, None)
        for each in whole["data"]:
            assert each == api("GET", f"/api/v1/agents/{each['id']}", token=admin).body
        for limit in (1, 2, 3):
            found, cursor = list[Any](), ""
            while cursor is not None:
                target = f"/api/v1/agents?limit={limit}&cursor={quote(cursor)}"
                page = api("GET", target, token=admin)
                assert page.status == 200, page.text
                assert len(page.body["data"]) <= limit
                found, cursor = found + page.body["data"], page.body["next_cursor"]
            assert found == whole["data"]
        for cursor, theirs in (("created%23team/new", ["theirs"]), ("created%23z", [])):
            page = api("GET", f"/api/v1/agents?cursor={cursor}", token=other).body
            assert [each["id"] for each in page["data"]] == theirs

    @pytest.mark.parametrize(
        "cursor", ["created%23", "created%23" + "x" * 257, "created", "%23a", "2026-01-01T00:00%23"]
    )
    def test_a_cursor_that_is_none(self, api: Api, admin: str, cursor: str) -> None:
        for path in ("agents", "sessions"):
            assert api("GET", f"/api/v1/{path}?cursor={cursor}", token=admin).status == 400
        assert api("GET", "/api/v1/sessions?cursor=created%23a", token=admin).status == 400

    def test_a_retired_one_may_call_nothing(self, api: Api, agent: str, admin: str) -> None:
        TestProjections().seen(api, agent_id="claude", session_id="s")
        body = {"reason": "replaced"}
        retired = api("POST", "/api/v1/agents/claude/retire", body, token=admin)
        assert (retired.status, retired.body["status"]) == (200, "retired")
        assert retired.body["retired_reason"] == "replaced"
        again = api("POST", "/api/v1/agents/claude/retire", {"reason": "x"}, token=admin)
        assert again.body == retired.body
        call = TestCalls.BODY | {"agent": "claude"}
        answer = api("POST", "/v1/tool/exec", call, token=agent)
        assert (answer.status, "retired" in answer.body["message"]) == (403, True)
        other = api.key(Scope.INGEST, org="beta")[0]
        assert api("POST", "/v1/tool/exec", call, token=other).status == 200
        renamed = api("PUT", "/api/v1/agents/claude", {"name": "old"}, token=admin).body
        assert (renamed["name"], renamed["status"]) == ("old", "retired")
        back = api("PUT", "/api/v1/agents/claude", {"status": "active"}, token=admin).body
        assert back["status"] == "active"
        assert "retired_at" not in back
        api.clock.ms += 3_000
        assert api("POST", "/v1/tool/exec", call, token=agent).status == 200
        types = [(each["type"], each["data"].get("reason")) for each in self.told(api)]
        assert sorted(types, key=str) == [
            ("agent.revoked", "replaced"),
            ("agent.updated", None),
            ("agent.updated", None),
        ]

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"id": ""},
            {"id": "x" * 257},
            {"id": "a", "labels": {"": "x"}},
            {"id": "a", "labels": {"x": 1}},
            {"id": "a", "labels": {str(at): "" for at in range(51)}},
            {"id": "a", "description": "x" * 2_001},
            {"id": "a", "key": {}},
            {"id": "a", "key": {"scopes": ["ingest"], "agent": "b"}},
            {"id": "a", "key": {"scopes": ["ingest"], "expires_at": "2020-01-01T00:00:00Z"}},
            {"id": "a", "status": "active"},
        ],
        ids=lambda body: str(body)[:60],
    )
    def test_what_is_no_agent(self, api: Api, admin: str, body: Any) -> None:
        assert api("POST", "/api/v1/agents", body, token=admin).status == 400
        assert api("GET", "/api/v1/agents/a", token=admin).status == 404
        assert self.told(api) == []

    def test_nothing_is_said_of_what_is_not_there(self, api: Api, admin: str) -> None:
        assert api("PUT", "/api/v1/agents/a", {}, token=admin).status == 404
        assert api("PUT", "/api/v1/agents/a", {"status": "active"}, token=admin).status == 404
        assert api("PUT", "/api/v1/agents/a", {"status": "idle"}, token=admin).status == 400
        assert api("GET", "/api/v1/agents/a", token=admin).status == 404
        assert self.told(api) == []

    def test_another_orgs_is_another(self, api: Api, admin: str) -> None:
        api("POST", "/api/v1/agents", {"id": "a", "name": "ours"}, token=admin)
        other = api.key(Scope.ADMIN, org="beta")[0]
        assert api("GET", "/api/v1/agents/a", token=other).status == 404
        assert api("POST", "/api/v1/agents", {"id": "a"}, token=other).status == 201
        assert api("GET", "/api/v1/agents/a", token=admin).body["name"] == "ours"

    def test_the_longest_of_everything(self, api: Api, admin: str) -> None:
        bell, steer = "\U0001f514" * 256, "\x01" * 256
        labels = {f"{at:02}" + steer[2:]: steer for at in range(50)}
        body = {"id": bell, "name": bell, "description": steer * 7, "labels": labels}
        body["key"] = {"scopes": ["ingest"]}
        made = api("POST", "/api/v1/agents", body, token=admin)
        assert made.status == 201, made.text
        found = api("GET", f"/api/v1/agents/{bell}", token=admin).body
        assert found["labels"] == labels
        assert api("POST", f"/api/v1/agents/{bell}/retire", {}, token=admin).status == 200

    def test_one_that_can_not_be_read_hides_no_other(
        self, api: Api, admin: str, database: Database
    ) -> None:
        for id in ("a", "b"):
            TestProjections().seen(api, agent_id=id, session_id="s")
            api("PUT", f"/api/v1/agents/{id}", {"name": id.upper()}, token=admin)
        store: Any = api.stores.agent_states
        store._put("agent-state#acme", "a", {"name": {"N": "1"}})
        listed = api("GET", "/api/v1/agents", token=admin).body["data"]
        assert {each["name"] for each in listed} == {"a", "B"}
        answer = api("GET", "/api/v1/agents/a", token=admin)
        assert (answer.status, answer.body["code"]) == (500, "INTEGRITY")


class TestDelegations:
    @pytest.fixture
    def admin(self, api: Api) -> str:
        return api.key(Scope.ADMIN, person="ada")[0]

    def delegate(self, api: Api, token: str, **more: Any) -> Any:
        answer = api("POST", "/api/v1/delegations", {"scopes": ["ingest"]} | more, token=token)
        assert answer.status == 201, answer.text
        return answer.body

    def test_the_way_of_a_delegation(self, api: Api, agent: str, admin: str) -> None:
        made = self.delegate(api, agent, agent="reviewer", name="for a review")
        token = made.pop("key")
        assert (made["agent"], made["scopes"], made["name"]) == (
            "reviewer",
            ["ingest"],
            "for a review",
        )
        assert made["expires_at"] == iso_ms(api.clock.ms + 86_400_000)
        for who in (agent, admin):
            listed = api("GET", "/api/v1/delegations", token=who).body
            assert listed == {"data": [made], "total": 1}
        assert made in api("GET", "/api/v1/keys", token=admin).body["data"]
        ask = ASK | {"agent": "reviewer"}
        assert api("POST", "/v1/approvals", ask, token=token).status == 201
        assert api("GET", "/api/v1/usage", token=token).status == 403
        gone = api("DELETE", f"/api/v1/delegations/{made['id']}", token=agent)
        assert gone.status == 200
        assert gone.body["revoked_at"]
        api.clock.ms += 60_000
        assert api("POST", "/v1/approvals", ask, token=token).status == 401

    def test_its_parents_end_is_its_own_within_a_minute(self, api: Api, admin: str) -> None:
        parent = api("POST", "/api/v1/keys", {"scopes": ["read"]}, token=admin).body
        child = self.delegate(api, parent["key"], scopes=["read"])
        below = api.stores.keys.get("acme", child["id"]) or pytest.fail()
        signed_in = api.parts.signing.open(below).token
        cookie = {"Cookie": f"__Host-tocsin_session={signed_in}", "Host": "tocsin.example.com"}
        assert api("GET", "/api/v1/usage", token=child["key"]).status == 200
        api("DELETE", f"/api/v1/keys/{parent['id']}", token=admin)
        api.clock.ms += 60_000
        assert api("GET", "/api/v1/usage", token=child["key"]).status == 401
        assert api("GET", "/api/v1/usage", headers=cookie).status == 401
        [shown] = api("GET", "/api/v1/delegations", token=admin).body["data"]
        assert shown["revoked_at"]
        answer = api("POST", "/api/v1/delegations", {"scopes": ["read"]}, token=parent["key"])
        assert answer.status == 401

    def test_a_revoked_key_delegates_no_more_though_it_is_remembered(
        self, api: Api, admin: str
    ) -> None:
        parent = api("POST", "/api/v1/keys", {"scopes": ["read"]}, token=admin).body
        assert api("GET", "/api/v1/usage", token=parent["key"]).status == 200
        api("DELETE", f"/api/v1/keys/{parent['id']}", token=admin)
        assert api("GET", "/api/v1/usage", token=parent["key"]).status == 200
        answer = api("POST", "/api/v1/delegations", {"scopes": ["read"]}, token=parent["key"])
        assert answer.status == 401

    def test_who_asked_through_one_cannot_answer(self, api: Api, maria: str) -> None:
        token = api.key(Scope.INGEST, Scope.APPROVE, person="bob")[0]
        child = self.delegate(api, token)["key"]
        twin = self.delegate(api, token, scopes=["approve"])["key"]
        id = ask(api, child)
        for who in (token, twin):
            answer = api("POST", f"/v1/approvals/{id}/resolve", {"approved": True}, token=who)
            assert (answer.status, answer.body["code"]) == (403, "FORBIDDEN")
        answer = api("POST", f"/v1/approvals/{id}/resolve", {"approved": True}, token=maria)
        assert answer.status == 200

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({}, 400),
            ({"scopes": []}, 400),
            ({"scopes": ["root"]}, 400),
            ({"scopes": ["ingest"], "person": "eve"}, 400),
            ({"scopes": ["ingest"], "expires_at": "soon"}, 400),
            ({"scopes": ["ingest"], "expires_at": "2999-01-01T00:00:00Z"}, 400),
            ({"scopes": ["ingest"], "expires_at": 1e400}, 400),
            ({"scopes": ["ingest"], "agent": 1}, 400),
            ({"scopes": ["ingest"], "agent": "x" * 257}, 400),
            ({"scopes": ["ingest", "read"]}, 403),
            ({"scopes": ["admin"]}, 403),
        ],
        ids=str,
    )
    def test_what_is_no_delegation(self, api: Api, agent: str, body: Any, status: int) -> None:
        assert api("POST", "/api/v1/delegations", body, token=agent).status == status
        assert api("GET", "/api/v1/delegations", token=agent).body["total"] == 0

    def test_another_orgs_are_not_there(self, api: Api, agent: str) -> None:
        made = self.delegate(api, agent)
        other = api.key(Scope.ADMIN, org="beta")[0]
        for id in (made["id"], "x" * 200, "%00", "\U0001f514"):
            assert api("DELETE", f"/api/v1/delegations/{id}", token=other).status == 404
        assert api("GET", "/api/v1/delegations", token=other).body["data"] == []

    def test_an_agents_key_speaks_for_no_other(self, api: Api, admin: str) -> None:
        body = {"scopes": ["ingest"], "agent": "claude"}
        token = api("POST", "/api/v1/keys", body, token=admin).body["key"]
        for target in ("/v1/approvals", "/v1/tool/exec", "/v1/preflight/exec"):
            call: dict[str, Any] = ASK if target == "/v1/approvals" else TestCalls.BODY
            answer = api("POST", target, call | {"agent": "gpt"}, token=token)
            assert (answer.status, answer.body["code"]) == (403, "FORBIDDEN")
            assert answer.body["details"][0]["field"] == "agent"
            assert api("POST", target, call | {"agent": "claude"}, token=token).status in (200, 201)
        answer = api("POST", "/api/v1/delegations", {"scopes": ["ingest"]}, token=token)
        assert answer.body["agent"] == "claude"


class TestSessions:
    def set(self, api: Api, token: str, id: str, verb: str, **body: str) -> Any:
        answer = api("POST", f"/api/v1/sessions/{id}/{verb}", body, token=token)
        assert answer.status == 200, answer.text
        return answer.body

    def test_a_session_is_suspended_resumed_and_completed(self, api: Api, maria: str) -> None:
        told = self.set(api, maria, "team/s 1", "suspend", reason="too fast")
        assert (told["status"], told["status_reason"]) == ("suspended", "too fast")
        assert told["status_by"] == "maria@example.com"
        assert self.set(api, maria, "team/s 1", "suspend", reason="again") == told
        assert self.set(api, maria, "team/s 1", "resume")["status"] == "active"
        assert self.set(api, maria, "team/s 1", "complete")["status"] == "completed"
        types = []
        for stored in api.stores.journal.between("acme", "", "z", 100):
            found = stored.unpack()
            assert isinstance(found, Batch)
            types += [json.loads(entry) for entry in found.entries]
        assert {(each["type"], each["session_id"]) for each in types} == {
            ("session_update", "team/s 1")
        }
        assert sorted(each["status"] for each in types) == ["active", "completed", "suspended"]

    def test_its_status_is_shown(self, api: Api, maria: str) -> None:
        reader = api.key(Scope.READ)[0]
        TestProjections().seen(api, agent_id="a", session_id="s")
        assert api("GET", "/api/v1/sessions/s", token=reader).body["status"] == "active"
        self.set(api, maria, "s", "suspend")
        assert api("GET", "/api/v1/sessions/s", token=reader).body["status"] == "suspended"
        [one] = api("GET", "/api/v1/sessions", token=reader).body["data"]
        assert one["status"] == "suspended"

    def test_its_calls_are_denied_and_no_other_orgs(self, api: Api, agent: str, maria: str) -> None:
        self.set(api, maria, "s", "suspend")
        answer = api("POST", "/v1/tool/exec", TestCalls.BODY, token=agent)
        assert (answer.status, answer.body["allowed"]) == (403, False)
        assert "suspended" in answer.body["message"]
        assert answer.body["suspended"] is True
        other = api.key(Scope.INGEST, org="beta")[0]
        assert api("POST", "/v1/tool/exec", TestCalls.BODY, token=other).status == 200

    def test_what_is_no_session(self, api: Api, maria: str) -> None:
        for id in ("", "x" * 300):
            answer = api("POST", f"/api/v1/sessions/{id}/suspend", {}, token=maria)
            assert answer.status == 400
        answer = api("POST", "/api/v1/sessions/s/suspend", {"why": "x"}, token=maria)
        assert answer.status == 400
