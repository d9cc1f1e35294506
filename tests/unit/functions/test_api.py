"""The API function's handler, over stores in memory: hostile requests, sign-ins, logs."""

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mangum.types import LambdaConfig

from contract.conftest import fake_stores
from functions.api import handler as deployed
from functions.api.event import ProxyEvent
from support.api import ORIGIN, Api
from support.context import Context
from tocsin.domain.keys import Scope
from tocsin.wire.routes import ROUTES

EVENTS = Path(__file__).parents[3] / "events"
TEMPLATE: dict[str, Any] = json.loads((EVENTS / "apigateway-usage.json").read_text())
USAGE = "/api/v1/usage"
CONFIG: LambdaConfig = {
    "api_gateway_base_path": "/",
    "text_mime_types": [],
    "exclude_headers": [],
}


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    api = Api(fake_stores())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deployed, "service", lambda: api.handler)
        yield api
    api.close()


def event(
    path: str = USAGE,
    method: str = "GET",
    query: Mapping[str, list[str]] | None = None,
    body: str | None = None,
    **headers: str,
) -> dict[str, Any]:
    """Return API Gateway's event for a request; ``_`` stands for the ``-`` in a header's name."""
    sent = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    sent = {"host": "api.example", "x-forwarded-proto": "https"} | sent
    return TEMPLATE | {
        "path": path,
        "httpMethod": method,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": {n: each[-1] for n, each in query.items()} if query else None,
        "multiValueQueryStringParameters": query,
        "body": body,
    }


def test_the_payload_that_is_kept_as_a_file(api: Api) -> None:
    token, _ = api.key(Scope.READ, org="local")
    sent = json.dumps(TEMPLATE).replace("tocsin_local_0123456789ab_secret", token)
    answer = deployed.handler(json.loads(sent), Context("api"))
    assert answer["statusCode"] == 200
    assert answer["headers"]["content-type"] == "application/json"
    assert json.loads(answer["body"])["quota"] == 1_000_000


def test_a_sign_in_is_as_good_as_its_key_from_pages_that_may(api: Api) -> None:
    token = api.parts.signing.open(api.key(Scope.READ)[1]).token
    cookie = f"a=b; __Host-tocsin_session={token}"

    def ask(path: str = USAGE, method: str = "GET", origin: str = "") -> int:
        headers = {"origin": origin} if origin else {}
        asked = event(path, method, None, None, cookie=cookie, **headers)
        return int(deployed.handler(asked, Context("api"))["statusCode"])

    assert ask() == ask(origin=ORIGIN) == 200
    assert ask(origin="https://evil.example") == 403
    assert ask("/api/v1/keys", "POST") == 403


def test_what_went_well_logs_nothing_and_what_did_not_is_counted(
    api: Api, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)  # as on Lambda
    deployed.handler(event("/health"), Context("api"))
    assert capsys.readouterr() == ("", "")
    assert not caplog.records
    deployed.handler(event(), Context("api"))
    assert "Refused401" in capsys.readouterr().out


@pytest.mark.parametrize("version", ["1.0", None])
@pytest.mark.parametrize("id", ["a/b", "a%2Fb", "100%", "%", "a b", "é", "a?b#c"])
def test_an_id_in_the_path_is_what_was_sent(version: str | None, id: str) -> None:
    """An HTTP API decodes the path, a REST API does not."""
    path = f"/api/v1/agents/{id if version else quote(id, safe='')}"
    asked: Any = event(path) | {"version": version}
    request: Any = ProxyEvent(asked, Context("api"), CONFIG)  # type: ignore[arg-type]
    assert request.scope["path"] == f"/api/v1/agents/{id}"


text = st.text(st.characters(exclude_categories=()), max_size=20)  # lone surrogates, too
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    *("tool", "agent", "message", "command", "input", "session", "run_id", "tool_call_id", "ttl"),
    *("approved", "persist", "action", "scope", "ids", "params", "policies", "calls", "version"),
    *("scopes", "types", "expires_at", "name", "overlap_seconds", "on_expiry", "enforce", "labels"),
)
SENSIBLE = st.sampled_from(["exec", "claude", "s", "r", "approve", "deny", "pending", "run", ""])
LISTS = st.lists(st.sampled_from(["read", "apr_x", "tool_call"]), max_size=2)
bodies = st.dictionaries(
    st.sampled_from(FIELDS), SENSIBLE | st.booleans() | st.integers(0, 99) | LISTS | values
)

LINKS = st.fixed_dictionaries(
    {
        "org": st.sampled_from([["acme"], ["é"]]) | st.lists(text, min_size=1, max_size=2),
        "approved": st.sampled_from([["true"], ["false"], ["1"]]),
        "exp": st.integers().map(lambda n: [str(n)]) | st.just(["99999999999"]),
        "key": st.sampled_from([["a1"], ["x/y"]]),
        "sig": st.just(["A" * 43]) | text.map(lambda sig: [sig]),
    }
)


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    route=st.sampled_from(ROUTES),
    id=text | st.sampled_from(["x", "apr_" + "0" * 26]),
    query=st.none()
    | st.dictionaries(text, st.lists(text, min_size=1, max_size=2), max_size=2)
    | LINKS,
    body=st.none() | text | bodies.map(lambda fields: json.dumps(fields)),
    headers=st.fixed_dictionaries(
        {},
        optional={
            "cookie": text,
            "origin": text,
            "host": text | st.sampled_from(["[::1]:8484", "a:b:c", "x:y"]),
            "x_forwarded_proto": text,
            "content_type": text,
            "content_length": text,
        },
    ),
    known=st.booleans(),
)
def test_no_request_ends_in_a_5xx(
    api: Api,
    route: Any,
    id: str,
    query: Any,
    body: str | None,
    headers: dict[str, str],
    known: bool,
) -> None:
    token = api.key(Scope.ADMIN)[0] if known else "nobody's"
    path = route.path
    for name in ("{id:path}", "{tool:path}", "{id}", "{name}"):
        path = path.replace(name, id)
    headers |= {"authorization": f"Bearer {token}"}
    asked = event(path, route.method, query, body, **headers)
    answer = deployed.handler(asked, Context("api"))
    assert answer["statusCode"] < 500, answer
