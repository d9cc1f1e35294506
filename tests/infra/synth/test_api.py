"""The way in."""

import json
from typing import Any

import pytest

from support.templates import Synthesize, Templates


def test_requests_reach_the_handler_as_rest_events(default: Templates) -> None:
    integrations = default.of("api", "AWS::ApiGatewayV2::Integration").values()
    assert [each["Properties"]["PayloadFormatVersion"] for each in integrations] == ["1.0"] * 2
    routes = default.of("api", "AWS::ApiGatewayV2::Route").values()
    assert {route["Properties"]["RouteKey"] for route in routes} == {
        "ANY /api/v1/ingest/{proxy+}",
        "ANY /v1/traces",
        "ANY /v1/logs",
        "ANY /v1/metrics",
        "ANY /v1/cloudevents",
        "$default",
    }


def test_requests_are_throttled(synthesize: Synthesize) -> None:
    templates = synthesize(requests_per_second=7, request_burst=9)
    settings = templates.one("api", "AWS::ApiGatewayV2::Stage")["DefaultRouteSettings"]
    assert settings == {"ThrottlingRateLimit": 7, "ThrottlingBurstLimit": 9}


def test_access_is_logged_without_anything_that_may_hold_a_credential(default: Templates) -> None:
    stage = default.one("api", "AWS::ApiGatewayV2::Stage")
    logged = json.loads(stage["AccessLogSettings"]["Format"])
    assert "$context.requestId" in logged.values()
    assert not [each for each in logged.values() if "authorizer" in each or "path" in each.lower()]


def test_browsers_of_other_origins_are_let_in_only_by_choice(
    default: Templates, synthesize: Synthesize
) -> None:
    assert "CorsConfiguration" not in default.one("api", "AWS::ApiGatewayV2::Api")
    chosen = synthesize(
        requests_per_second=7, request_burst=9, allowed_origins=("https://a.example",)
    )
    cors = chosen.one("api", "AWS::ApiGatewayV2::Api")["CorsConfiguration"]
    assert cors["AllowOrigins"] == ["https://a.example"]
    assert "authorization" in cors["AllowHeaders"]
    assert cors["AllowCredentials"] and "*" not in cors["AllowMethods"]  # for the cookie
    [variables] = [
        function["Properties"]["Environment"]["Variables"]
        for function in chosen.of("api", "AWS::Lambda::Function").values()
        if function["Properties"]["Handler"].startswith("functions.api.")
    ]
    assert json.loads(variables["TOCSIN_ALLOWED_ORIGINS"]) == ["https://a.example"]


def test_links_lead_to_the_domain_or_to_where_it_is_said(
    default: Templates, synthesize: Synthesize
) -> None:
    def variables(templates: Templates) -> Any:
        function = templates.one("api", "AWS::Lambda::Function", "Api")
        return function["Environment"]["Variables"]

    assert "TOCSIN_PUBLIC_URL" not in variables(default)  # CloudFront's name is not known yet
    chosen = synthesize(public_url="https://d1.cloudfront.net")
    assert variables(chosen)["TOCSIN_PUBLIC_URL"] == "https://d1.cloudfront.net"


@pytest.mark.parametrize("name", ["ingest", "api"])
def test_functions_are_small_traced_and_on_arm(default: Templates, name: str) -> None:
    function = default.one("api", "AWS::Lambda::Function", name.title())
    assert function["Architectures"] == ["arm64"]
    assert function["Runtime"] == "python3.13"
    assert function["Handler"] == f"functions.{name}.handler.handler"
    assert function["Timeout"] < 30  # the HTTP API's limit
    assert function["TracingConfig"] == {"Mode": "Active"}
    assert "VpcConfig" not in function
    assert len(function["Layers"]) == 2


def test_tracing_costs_and_is_off_unless_asked_for(small: Templates) -> None:
    assert "TracingConfig" not in small.one("api", "AWS::Lambda::Function", "Ingest")


def test_logs_are_forgotten(default: Templates) -> None:
    groups = [
        resource
        for _, _, resource in default.everything()
        if resource["Type"] == "AWS::Logs::LogGroup"
    ]
    assert groups
    assert {group["Properties"]["RetentionInDays"] for group in groups} == {30}
