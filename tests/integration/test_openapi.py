"""The OpenAPI document, and Schemathesis with it against the API function's application."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema
from schemathesis.engine.recorder import Interaction
from schemathesis.engine.run import PhaseName

from functions.api.app import build
from support.api import Api
from support.databases import Database
from tocsin.domain.keys import Scope

SOME_ARE_REFUSED = {
    "PUT /api/v1/policies": "most texts are no Cedar",
    "POST /api/v1/policies/test": "most texts are no Cedar",
    "POST /v1/approvals/bulk-resolve": "most ids are of no approval",
    "POST /v1/approvals": "a number in what is free may be no I-JSON",
    "POST /v1/tool/{tool}": "the same",
    "POST /v1/preflight/{tool}": "the same",
    "POST /v1/approvals/{id}/resolve": "it may be over (410)",
    "POST /v1/approvals/{id}/links": "the same",
    "GET /v1/approvals/{id}/resolve": "most are no link, or one whose time is over",
    "POST /api/v1/keys": "most texts are no event type, or a time that is over",
    "POST /api/v1/delegations": "the same, or a scope that can't be delegated; a key's are bounded",
    "POST /api/v1/agents": "the same, of its key; or there is such an agent (409)",
    "PUT /api/v1/agents/{id}": "nothing is known of most ids",
    "PUT /api/v1/detection": "most texts are no time zone",
    "POST /api/v1/anomalies/{id}/snooze": "most texts are no time, or one that is over",
    "POST /api/v1/webhooks": "most texts are no URL that may be sent to, no secret, no event type",
    "PUT /api/v1/webhooks/{id}": "the same",
    "POST /api/v1/webhooks/{id}/rotate": "the same, of its secret; or nothing is signed (409)",
    "POST /api/v1/webhooks/{id}/replay": "most seqs are ahead of the ledger",
    "GET /api/v1/costs/summary": "from and to are too far apart, or the wrong way round",
    "GET /api/v1/costs/breakdown": "the same",
    "GET /api/v1/costs/timeseries": "the same",
}
"""What a schema can't say: a request that it allows may be refused here, and why."""

READ_AS_IDS = [
    *(f"POST /api/v1/sessions/{{id}}/{verb}" for verb in ("suspend", "resume", "complete")),
    "POST /api/v1/agents/{id}/retire",
]
"""These ids may hold slashes: with another method the whole is an id, or too long for one."""

ASKING = ["POST /v1/approvals", "POST /v1/tool/{tool}", "POST /v1/preflight/{tool}"]
PHASES = {PhaseName.EXAMPLES, PhaseName.COVERAGE, PhaseName.FUZZING, PhaseName.STATEFUL_TESTING}

# An agent has no budget because it was created.
OF_AN_AGENT = [f"{method} /api/v1/agents/{{id}}/budget" for method in ("GET", "DELETE")]


@pytest.fixture
def api(database: Database) -> Iterator[Api]:
    api = Api(database.stores()[0])
    yield api
    api.close()


def config(agent: str, maria: str) -> SchemathesisConfig:
    """Return what is the same at each run. Who asks for an approval can't resolve it."""
    accepted = ["2xx", "400", "403", "404", "409", "410", "429", "503"]
    rejected = ["400", "401", "403", "404", "405", "409", "410", "413"]  # 410: a link that is over
    return SchemathesisConfig.from_dict(
        {
            "seed": 1,
            "continue-on-failure": True,
            "headers": {"Authorization": f"Bearer {maria}"},
            "generation": {"deterministic": True, "database": "none", "max-examples": 10},
            "checks": {"negative_data_rejection": {"expected-statuses": rejected}},
            "phases": {"stateful": {"generation": {"max-examples": 40}}},
            "operations": [
                {"include-tag": "stream", "enabled": False},
                {
                    "include-name": READ_AS_IDS,
                    "checks": {"unsupported_method": {"enabled": False}},
                },
                {
                    "include-name": OF_AN_AGENT,
                    "checks": {"ensure_resource_availability": {"enabled": False}},
                },
                {"include-name": ASKING, "headers": {"Authorization": f"Bearer {agent}"}},
                {
                    "include-name": list(SOME_ARE_REFUSED),
                    "checks": {"positive_data_acceptance": {"expected-statuses": accepted}},
                },
            ],
        }
    )


def answered(interaction: Interaction) -> str:
    """Return an answer's status and the beginning of its body."""
    response = interaction.response
    return "no answer" if response is None else f"{response.status_code} {response.text[:300]}"


@pytest.fixture
def spared() -> Iterator[set[str]]:
    """Ids that no request names: it finds its own keys in the list of keys, and would end them."""
    ids = set[str]()

    @schemathesis.hook
    def before_call(context: Any, case: Any, kwargs: Any) -> None:
        for name, value in (case.path_parameters or {}).items():
            if value in ids:
                case.path_parameters[name] = "nobody"

    yield ids
    schemathesis.hooks.unregister(before_call)


def test_schemathesis_finds_nothing(api: Api, spared: set[str]) -> None:
    agent, maria = api.key(Scope.INGEST), api.key(Scope.ADMIN, person="maria@example.com")
    schema: Any = schemathesis.openapi.from_asgi(
        "/openapi.json", build(api.parts), config=config(agent[0], maria[0])
    )
    spared |= {agent[1].id, maria[1].id}
    found, went = list[str](), dict[PhaseName, Status]()

    for event in from_schema(schema).execute():
        match event:
            case events.PhaseFinished(phase=phase):
                went[phase.name] = event.status
            case events.NonFatalError(label=label, value=error):
                found.append(f"{label}: {error!r}"[:1000])
            case events.FatalError(exception=error):
                raise error
            case events.ScenarioFinished(recorder=recorder):
                found += [
                    f"{recorder.label}: {answered(recorder.interactions[case])}: "
                    f"{check.failure_info.failure}\n{check.failure_info.code_sample}"
                    for case, checks in recorder.checks.items()
                    for check in checks
                    if check.failure_info
                ]
    assert not found, "\n\n".join(sorted(set(found)))
    assert {went[phase] for phase in PHASES} == {Status.SUCCESS}


def test_the_document_is_valid_and_needs_nothing_from_elsewhere(api: Api) -> None:
    answer = api("GET", "/openapi.json")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.body["openapi"] == "3.1.0"
    assert "://" not in answer.text.replace("https://hooks.example.com/", "")  # an example
    schemathesis.openapi.from_dict(answer.body).validate()
    refs = set(re.findall(r'"#/components/schemas/(\w+)"', answer.text))
    assert refs == set(answer.body["components"]["schemas"])


def test_an_error_is_described_with_its_codes(api: Api) -> None:
    operation = api("GET", "/openapi.json").body["paths"]["/v1/approvals"]["post"]
    statuses = {"200", "201", "400", "401", "403", "409", "413", "414", "429"}
    statuses |= {"500", "503"}
    assert operation["responses"].keys() == statuses
    busy = operation["responses"]["503"]
    assert busy["description"] == "BUSY, OUTCOME_UNKNOWN, QUEUE_FULL"
    assert "Retry-After" in busy["headers"]
    assert "WWW-Authenticate" in operation["responses"]["401"]["headers"]


def test_the_links_lead_from_an_approval_to_its_answer_and_its_rule(api: Api) -> None:
    agent = api.key(Scope.INGEST)[0]
    maria = api.key(Scope.ADMIN, person="maria@example.com")[0]
    paths = api("GET", "/openapi.json").body["paths"]
    places = {
        operation["operationId"]: (method.upper(), path, operation)
        for path, methods in paths.items()
        for method, operation in methods.items()
    }

    def follow(id: str, status: int, link: str, body: Any) -> Any:
        """Do what the link of an answer says, with what is in the answer."""
        said = places[id][2]["responses"][str(status)]["links"][link]
        method, path, _ = places[said["operationId"]]
        for name, where in said.get("parameters", {}).items():
            value = body
            for part in where.removeprefix("$response.body#/").split("/"):
                value = value[int(part)] if part.isdigit() else value[part]
            path = path.replace(f"{{{name}}}", value)
        answer = api(method, path, said.get("requestBody"), token=maria)
        assert answer.status == 200, answer.text
        return answer.body

    ask = {"tool": "exec", "agent": "claude", "message": "may I?"}
    asked = api("POST", "/v1/approvals", ask, token=agent).body
    assert follow("create_approval", 201, "show", asked)["status"] == "pending"
    listed = api("GET", "/v1/approvals", token=maria).body
    done = follow("list_approvals", 200, "resolve", listed)
    assert done == {"id": asked["id"], "status": "approved", "approved": True, "persisted": True}
    assert follow("resolve", 200, "show", done)["resolved_by"] == "maria@example.com"
    rules = follow("resolve", 200, "rules", done)
    assert follow("list_rules", 200, "remove", rules) == {"deleted": rules["rules"][0]["name"]}
