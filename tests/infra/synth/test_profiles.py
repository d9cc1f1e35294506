"""LocalStack gets what an account gets, but for this."""

import json
from typing import Any

import pytest

from support.templates import Synthesize, Templates

# Of the smallest deployment to an account, what LocalStack does not get, by part: types of
# resources that are there alone, and what stands in for them.
ACCOUNT_ALONE = {
    "api": {
        "AWS::ApiGatewayV2::Api",
        "AWS::ApiGatewayV2::Integration",
        "AWS::ApiGatewayV2::Route",
        "AWS::ApiGatewayV2::Stage",
    },
    "dashboard": {"Custom::DashboardFiles"},
    "operations": {"AWS::CloudWatch::Dashboard"},
}
LOCALSTACK_ALONE = {
    "api": {
        "AWS::ApiGateway::RestApi",
        "AWS::ApiGateway::Resource",
        "AWS::ApiGateway::Method",
        "AWS::ApiGateway::Deployment",
        "AWS::ApiGateway::Stage",
    }
}


@pytest.fixture(scope="module")
def account(synthesize: Synthesize) -> Templates:
    return synthesize(stream="lambda", bus="ledger", removal="destroy")


def test_the_stream_and_the_edge_are_left_out(account: Templates, localstack: Templates) -> None:
    assert set(account.by_part) - set(localstack.by_part) == {"stream-lambda", "edge"}
    assert set(localstack.by_part) <= set(account.by_part)


def test_only_the_gateway_and_what_there_is_not_are_other_resources(
    account: Templates, localstack: Templates
) -> None:
    for part in localstack.by_part:
        there, here = _types(account, part), _types(localstack, part)
        assert there - here == ACCOUNT_ALONE.get(part, set())
        assert here - there == LOCALSTACK_ALONE.get(part, set())


@pytest.mark.parametrize("part", ["data", "pipeline"])
def test_tables_and_pipeline_differ_in_architecture_and_key_alone(
    account: Templates, localstack: Templates, part: str
) -> None:
    assert _without_architecture(account.of(part)) == _without_architecture(localstack.of(part))


def test_the_key_is_another_where_none_of_its_kind_can_be_made(
    account: Templates, localstack: Templates
) -> None:
    specs = [each.one("data", "AWS::KMS::Key")["KeySpec"] for each in (account, localstack)]
    assert specs == ["ECC_NIST_EDWARDS25519", "ECC_NIST_P256"]


def test_handlers_are_the_same(account: Templates, localstack: Templates) -> None:
    for part in ("api", "pipeline"):
        for id, function in localstack.of(part, "AWS::Lambda::Function").items():
            assert function["Properties"]["Code"] == account.of(part)[id]["Properties"]["Code"]


def test_routes_are_the_same(account: Templates, localstack: Templates) -> None:
    routes = account.of("api", "AWS::ApiGatewayV2::Route").values()
    taken = {route["Properties"]["RouteKey"] for route in routes}
    resources = localstack.of("api", "AWS::ApiGateway::Resource")

    def path(id: str) -> str:
        if id not in resources:
            return ""  # the root
        resource = resources[id]["Properties"]
        parent = resource["ParentId"].get("Ref", "")
        return f"{path(parent)}/{resource['PathPart']}"

    methods = [
        each["Properties"] for each in localstack.of("api", "AWS::ApiGateway::Method").values()
    ]
    integrated = {
        f"{each['HttpMethod']} {path(each['ResourceId']['Ref'])}"
        for each in methods
        if each["Integration"]["Type"] == "AWS_PROXY"
    }
    signals = {f"ANY /v1/{signal}" for signal in ("traces", "logs", "metrics", "cloudevents")}
    assert taken == {"ANY /api/v1/ingest/{proxy+}", "$default", *signals}
    assert integrated == {"ANY /api/v1/ingest/{proxy+}", "ANY /{proxy+}", *signals}


def _types(templates: Templates, part: str) -> set[str]:
    return {resource["Type"] for resource in templates.of(part).values()}


def _without_architecture(resources: dict[str, Any]) -> Any:
    """Return the resources without the words that differ, and the packages built for one."""
    plain = json.loads(json.dumps(resources))
    for id, resource in plain.items():
        properties = resource["Properties"]
        properties.pop("Architectures", None)
        properties.pop("CompatibleArchitectures", None)
        properties.pop("KeySpec", None)
        if "LayersDependencies" in id:
            properties.pop("Content")
        resource.pop("Metadata", None)
    return plain
