"""The one address."""

import json
from fnmatch import fnmatchcase
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk.assertions import Template

from infra import assets
from infra.constructs.page_headers import page_headers
from infra.stacks.edge import STREAMED
from support.layers import run
from support.templates import Synthesize, Templates
from tocsin.domain.limits import KAVACH_HEARTBEAT_SECONDS

LIVENESS = "/livez"
PAGE = ("/", "/index.html", "/assets/*")


@pytest.fixture(params=["default", "small"])
def distribution(request: pytest.FixtureRequest) -> Any:
    templates = request.getfixturevalue(request.param)
    return templates.one("edge", "AWS::CloudFront::Distribution")["DistributionConfig"]


def _behaviours(distribution: dict[str, Any]) -> list[Any]:
    """Return those of API and streams."""
    others = [each for each in distribution["CacheBehaviors"] if each["PathPattern"] not in PAGE]
    return [distribution["DefaultCacheBehavior"], *others]


def _page(distribution: dict[str, Any]) -> dict[str, Any]:
    found = {each["PathPattern"]: each for each in distribution["CacheBehaviors"]}
    return {path: found[path] for path in PAGE}


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
        for each in _behaviours(distribution)[1:]
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


def test_no_route_of_the_api_leads_elsewhere() -> None:
    code = "from tocsin.wire.routes import ROUTES; print(*(route.path for route in ROUTES))"
    environment = {"AWS_DEFAULT_REGION": "us-east-1"}
    folders = [assets.function("api")]
    routes = run(code, lock="api", environment=environment, code_folders=folders).split()
    assert {"/api/v1/usage", "/health", "/ready", "/metrics"} <= set(routes)
    assert not [
        (route, pattern)
        for route in routes
        for pattern in STREAMED + PAGE
        if fnmatchcase(route, pattern)
    ]


def test_no_stream_is_taken_for_the_page() -> None:
    assert not [path for path in STREAMED for pattern in PAGE if fnmatchcase(path, pattern)]


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


def test_the_page_is_read_and_nothing_else(distribution: dict[str, Any]) -> None:
    for behaviour in _page(distribution).values():
        assert behaviour["AllowedMethods"] == ["GET", "HEAD"]
        assert behaviour["ViewerProtocolPolicy"] == "redirect-to-https"
        assert "OriginRequestPolicyId" not in behaviour  # no cookie, no key goes to the bucket


def test_the_page_is_compressed_and_kept_as_long_as_its_files_say(
    distribution: dict[str, Any],
) -> None:
    """A second at least, a year at most, by path alone, and with gzip and Brotli.

    https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html
    """
    optimized = "658327ea-f89d-4fab-a63d-7e88639e58f6"  # Managed-CachingOptimized
    for behaviour in _page(distribution).values():
        assert behaviour["CachePolicyId"] == optimized
        assert behaviour["Compress"] is True


def test_the_root_is_the_page_of_this_build(distribution: dict[str, Any]) -> None:
    """By its own path and by that of the root object: which of them is looked up is not written.

    https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/DefaultRootObject.html
    """
    assert distribution["DefaultRootObject"] == "index.html"
    origins = {each["Id"]: each for each in distribution["Origins"]}
    by_path = {path: origins[each["TargetOriginId"]] for path, each in _page(distribution).items()}
    assert by_path["/"] == by_path["/index.html"]
    assert by_path["/"]["OriginPath"] == f"/{assets.dashboard().page}"
    assert "OriginPath" not in by_path["/assets/*"]  # where those of other builds are, too
    for origin in by_path.values():
        assert "DashboardBucket" in json.dumps(origin["DomainName"])
        assert origin["S3OriginConfig"] == {"OriginAccessIdentity": ""}
        assert origin["OriginAccessControlId"]


def test_requests_to_the_bucket_are_signed(default: Templates) -> None:
    """https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-restricting-access-to-s3.html"""
    access = default.one("edge", "AWS::CloudFront::OriginAccessControl")
    settings = access["OriginAccessControlConfig"]
    assert settings["OriginAccessControlOriginType"] == "s3"
    assert (settings["SigningBehavior"], settings["SigningProtocol"]) == ("always", "sigv4")


def test_every_file_of_the_page_has_its_headers(default: Templates) -> None:
    [policy] = default.of("edge", "AWS::CloudFront::ResponseHeadersPolicy")
    config = default.one("edge", "AWS::CloudFront::Distribution")["DistributionConfig"]
    for behaviour in _page(config).values():
        assert behaviour["ResponseHeadersPolicyId"] == {"Ref": policy}
    for behaviour in _behaviours(config):
        assert "ResponseHeadersPolicyId" not in behaviour
    found = default.one("edge", "AWS::CloudFront::ResponseHeadersPolicy")
    settings = found["ResponseHeadersPolicyConfig"]
    security = dict(settings["SecurityHeadersConfig"])
    hosts = security.pop("StrictTransportSecurity")
    assert hosts == {"AccessControlMaxAgeSec": 31_536_000, "Override": True}  # no other host's
    custom = settings["CustomHeadersConfig"]["Items"]
    assert all(each["Override"] for each in [*security.values(), *custom])
    assert {each["Header"]: each["Value"] for each in custom} | {
        "Content-Security-Policy": security["ContentSecurityPolicy"]["ContentSecurityPolicy"],
        "Referrer-Policy": security["ReferrerPolicy"]["ReferrerPolicy"],
        "X-Content-Type-Options": "nosniff" if security["ContentTypeOptions"] else "",
        "X-Frame-Options": security["FrameOptions"]["FrameOption"],
    } == assets.dashboard().headers


def test_other_headers_come_with_the_distribution_alone() -> None:
    """The page's scripts are named in them: a policy that changed first would shut them out."""

    def policy(csp: str) -> tuple[str, str]:
        stack = Stack(App(), "stack")
        page_headers(
            stack, {**assets.dashboard().headers, "Content-Security-Policy": csp}, name="n"
        )
        template = Template.from_stack(stack).to_json()
        [(id, found)] = template["Resources"].items()
        return id, found["Properties"]["ResponseHeadersPolicyConfig"]["Name"]

    one, other = policy("default-src 'none'"), policy("default-src 'self'")
    assert one == policy("default-src 'none'")
    assert one[0] != other[0]
    assert one[1] != other[1]


@pytest.mark.parametrize(
    ("header", "value"), [("X-Frame-Options", "ALLOWALL"), ("X-Content-Type-Options", "sniff")]
)
def test_a_header_that_cloudfront_can_not_send_is_refused_here(header: str, value: str) -> None:
    headers = {**assets.dashboard().headers, header: value}
    with pytest.raises((KeyError, ValueError), match=f"{value}|{header}"):
        page_headers(Stack(App(), "stack"), headers, name="n")


def test_names_are_no_other_regions(default: Templates, synthesize: Synthesize) -> None:
    """CloudFront's are the account's: two deployments of one environment would collide."""
    elsewhere = synthesize(preset="try", region="eu-central-2")
    for type, config in (
        ("AWS::CloudFront::OriginAccessControl", "OriginAccessControlConfig"),
        ("AWS::CloudFront::ResponseHeadersPolicy", "ResponseHeadersPolicyConfig"),
    ):
        names = {each.one("edge", type)[config]["Name"] for each in (default, elsewhere)}
        assert len(names) == 2
