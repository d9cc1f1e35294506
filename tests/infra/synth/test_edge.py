"""The one address."""

import json
from fnmatch import fnmatchcase
from typing import Any

import pytest

from infra import assets
from infra.stacks.edge import STREAMED
from support.layers import run
from support.templates import Synthesize, Templates
from tocsin.domain.limits import KAVACH_HEARTBEAT_SECONDS

LIVENESS = "/livez"


@pytest.fixture(params=["default", "small"])
def distribution(request: pytest.FixtureRequest) -> Any:
    templates = request.getfixturevalue(request.param)
    return templates.one("edge", "AWS::CloudFront::Distribution")["DistributionConfig"]


def _behaviours(distribution: dict[str, Any]) -> list[Any]:
    return [distribution["DefaultCacheBehavior"], *distribution["CacheBehaviors"]]


def test_nothing_is_cached_compressed_or_sent_in_the_clear(distribution: dict[str, Any]) -> None:
    disabled = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"  # Managed-CachingDisabled
    for behaviour in _behaviours(distribution):
        assert behaviour["CachePolicyId"] == disabled
        assert behaviour["Compress"] is False
        assert behaviour["ViewerProtocolPolicy"] == "https-only"


def test_every_header_reaches_the_origin_but_the_host(distribution: dict[str, Any]) -> None:
    all_but_host = "b689b0a8-53d0-40ab-baf2-68738e2966ac"  # Managed-AllViewerExceptHostHeader
    for behaviour in _behaviours(distribution):
        assert behaviour["OriginRequestPolicyId"] == all_but_host
        assert "POST" in behaviour["AllowedMethods"]


def test_streams_are_told_from_requests_by_their_path(distribution: dict[str, Any]) -> None:
    origins = {each["Id"]: json.dumps(each["DomainName"]) for each in distribution["Origins"]}
    assert "GatewayApi" in origins[distribution["DefaultCacheBehavior"]["TargetOriginId"]]
    streamed = {
        each["PathPattern"]: origins[each["TargetOriginId"]]
        for each in distribution["CacheBehaviors"]
    }
    assert tuple(streamed) == STREAMED
    assert all("Stream" in origin for origin in streamed.values())


def test_every_route_of_the_stream_service_leads_to_it() -> None:
    code = "from functions.stream.app import app; print(*(route.path for route in app.routes))"
    names = ("JOURNAL", "LEDGER", "STATE")
    environment = {f"TOCSIN_{name}_TABLE": name for name in names}
    environment["AWS_DEFAULT_REGION"] = "us-east-1"
    folders = [assets.web_function("stream")]
    routes = run(code, lock="stream", environment=environment, code_folders=folders).split()
    assert {"/api/v1/events", LIVENESS} <= set(routes)
    routes.remove(LIVENESS)  # nobody's from outside
    for route in routes:
        assert any(fnmatchcase(route, pattern) for pattern in STREAMED), route


def test_no_route_of_the_api_leads_to_the_stream_service() -> None:
    code = "from tocsin.wire.routes import ROUTES; print(*(route.path for route in ROUTES))"
    environment = {"AWS_DEFAULT_REGION": "us-east-1"}
    folders = [assets.function("api")]
    routes = run(code, lock="api", environment=environment, code_folders=folders).split()
    assert {"/api/v1/usage", "/health", "/ready", "/metrics"} <= set(routes)
    assert not [
        (route, pattern) for route in routes for pattern in STREAMED if fnmatchcase(route, pattern)
    ]


def test_a_quiet_stream_is_not_given_up(distribution: dict[str, Any]) -> None:
    [timeout] = {
        origin.get("VpcOriginConfig", origin.get("CustomOriginConfig"))["OriginReadTimeout"]
        for origin in distribution["Origins"]
        if "Stream" in json.dumps(origin["DomainName"])
    }
    assert timeout >= 3 * KAVACH_HEARTBEAT_SECONDS


def test_the_load_balancer_waits_as_long_as_cloudfront(default: Templates) -> None:
    balancer = default.one("stream-fargate", "AWS::ElasticLoadBalancingV2::LoadBalancer")
    attributes = {each["Key"]: each["Value"] for each in balancer["LoadBalancerAttributes"]}
    assert int(attributes["idle_timeout.timeout_seconds"]) >= 3 * KAVACH_HEARTBEAT_SECONDS


def test_a_domain_of_ones_own_is_the_one_address(synthesize: Synthesize) -> None:
    """https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cnames-and-https-requirements.html"""
    arn = "arn:aws:acm:us-east-1:123456789012:certificate/0f9a"
    templates = synthesize(preset="try", domain="events.example.com", certificate=arn)
    found = templates.one("edge", "AWS::CloudFront::Distribution")["DistributionConfig"]
    assert found["Aliases"] == ["events.example.com"]
    certificate = found["ViewerCertificate"]
    assert (certificate["AcmCertificateArn"], certificate["SslSupportMethod"]) == (arn, "sni-only")
    assert certificate["MinimumProtocolVersion"] >= "TLSv1.2_2021"
    outputs = templates.by_part["edge"]["Outputs"]
    assert outputs["Url"]["Value"] == "https://events.example.com"
    assert "DomainName" in json.dumps(outputs["Target"]["Value"])  # for the CNAME


def test_fargate_is_reached_through_a_vpc_origin(default: Templates) -> None:
    origin = default.one("edge", "AWS::CloudFront::VpcOrigin")["VpcOriginEndpointConfig"]
    assert "StreamLoadBalancer" in json.dumps(origin["Arn"])
