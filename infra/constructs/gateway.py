"""The way in: an HTTP API, or a REST API where there is none, in front of the same handlers.

Both send the REST API's event (an HTTP API calls it payload format 1.0, and decodes its path).
"""

import json
from collections.abc import Mapping, Sequence

from aws_cdk import Duration, Stack
from aws_cdk import aws_apigateway as rest
from aws_cdk import aws_apigatewayv2 as http
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration
from constructs import Construct

from infra.acknowledge import acknowledge
from infra.config import Config
from infra.constructs.logs import Logs
from infra.constructs.signals import Alarms, graph

__all__ = ["Gateway", "HttpGateway", "RestGateway"]

# No header, query or body: an API key must not reach a log. No time either: CloudWatch has it.
_LOGGED = {
    "requestId": "$context.requestId",
    "route": "$context.routeKey",
    "status": "$context.status",
    "bytes": "$context.responseLength",
    "latency": "$context.responseLatency",
    "error": "$context.integrationErrorMessage",
}
# With credentials a browser takes no "*" for any method (Fetch, CORS protocol and credentials).
_CORS_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_CORS_HEADERS = ["authorization", "content-type", "content-encoding", "idempotency-key"]


class Gateway(Construct):
    """Functions behind paths: ``/api/v1/ingest/`` stands for everything below it.

    ``/`` is what no other prefix fits. Both kinds of gateway prefer the route that says more:
    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
    """

    url: str  # its own address, without a trailing slash
    failures: cloudwatch.IMetric  # requests that were answered with 5xx

    def __init__(
        self, scope: Construct, id: str, *, routes: Mapping[str, lambda_.IFunction], config: Config
    ) -> None:
        super().__init__(scope, id)

    def alarm(self, alarms: Alarms) -> None:
        """See :class:`~infra.constructs.signals.Watched`."""
        meaning = "Requests to the API end in 5xx: see the logs of its functions."
        alarms.above("ApiFailures", self.failures, 10, meaning, periods=2)

    def graphs(self) -> Sequence[cloudwatch.IWidget]:
        """See :class:`~infra.constructs.signals.Watched`."""
        return [graph("API: 5xx", self.failures)]


class HttpGateway(Gateway):
    """An HTTP API: a third of a REST API's price.

    Whether a body reaches the function as text or in base64 it decides by the content type, and
    there is no setting for it: gzip under ``application/json`` may arrive mangled, under
    ``application/gzip`` it does not.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """

    def __init__(
        self, scope: Construct, id: str, *, routes: Mapping[str, lambda_.IFunction], config: Config
    ) -> None:
        super().__init__(scope, id, routes=routes, config=config)
        origins = list(config.allowed_origins)
        api = http.HttpApi(
            self,
            "Api",
            api_name=f"tocsin-{config.environment}",
            create_default_stage=False,
            cors_preflight=http.CorsPreflightOptions(
                allow_origins=origins,
                allow_credentials=True,  # the sign-in's cookie
                allow_methods=[http.CorsHttpMethod[method] for method in _CORS_METHODS],
                allow_headers=_CORS_HEADERS,
                expose_headers=["retry-after"],
                max_age=Duration.minutes(10),
            )
            if origins
            else None,
        )
        integrations = {
            function: HttpLambdaIntegration(
                f"To{function.node.id}",
                function,
                payload_format_version=http.PayloadFormatVersion.VERSION_1_0,
            )
            for function in routes.values()
        }
        for path, function in routes.items():
            integration = integrations[function]
            if path == "/":
                key = http.HttpRouteKey.DEFAULT  # which takes "/" too; "/{proxy+}" does not
                http.HttpRoute(self, "Rest", http_api=api, route_key=key, integration=integration)
            else:
                below = "{proxy+}" if path.endswith("/") else ""
                api.add_routes(path=path + below, integration=integration)
        stage = http.HttpStage(
            self,
            "Stage",
            http_api=api,
            auto_deploy=True,
            throttle=http.ThrottleSettings(
                rate_limit=config.requests_per_second, burst_limit=config.request_burst
            ),
        )
        raw = stage.node.default_child
        assert isinstance(raw, http.CfnStage)  # noqa: S101 (for the type)
        raw.access_log_settings = http.CfnStage.AccessLogSettingsProperty(
            destination_arn=Logs(self, "Access", config=config).log_group_arn,
            format=json.dumps(_LOGGED, separators=(",", ":")),  # paid by the byte
        )
        keys = "Tocsin's API keys are checked by the functions themselves"
        acknowledge(self, {"AwsSolutions-APIG4": keys})
        self.url = api.api_endpoint
        self.failures = api.metric_server_error(statistic=cloudwatch.Stats.SUM)


class RestGateway(Gateway):
    """A REST API."""

    def __init__(
        self, scope: Construct, id: str, *, routes: Mapping[str, lambda_.IFunction], config: Config
    ) -> None:
        super().__init__(scope, id, routes=routes, config=config)
        api = rest.RestApi(
            self,
            "Api",
            rest_api_name=f"tocsin-{config.environment}",
            endpoint_types=[rest.EndpointType.REGIONAL],
            # Every body arrives as it was sent, compressed or not, and leaves as it is. LocalStack
            # passes "*/*" over.
            binary_media_types=["*/*", "application/x-protobuf"],
            cloud_watch_role=False,
            deploy_options=rest.StageOptions(
                throttling_rate_limit=config.requests_per_second,
                throttling_burst_limit=config.request_burst,
            ),
        )
        for path, function in routes.items():
            resource = api.root.resource_for_path(path)
            integration = rest.LambdaIntegration(function)
            if path.endswith("/"):
                resource.add_proxy(default_integration=integration)
            else:
                resource.add_method("ANY", integration)
        stack = Stack.of(self)
        host = f"{api.rest_api_id}.execute-api.{stack.region}.{stack.url_suffix}"
        self.url = f"https://{host}/{api.deployment_stage.stage_name}"
        self.failures = api.metric_server_error(statistic=cloudwatch.Stats.SUM)
