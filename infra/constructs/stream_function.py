"""The stream service on Lambda: for a few viewers, at no cost while nobody watches."""

from collections.abc import Sequence

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk import aws_apigateway as rest
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra import assets
from infra.acknowledge import acknowledge
from infra.constructs.function import Function, Props
from infra.constructs.signals import Alarms, graph
from infra.constructs.stream import (
    READ_TIMEOUT_SECONDS,
    StreamMetrics,
    allow_stream,
    stream_environment,
)

__all__ = ["StreamFunction"]

# https://github.com/aws/aws-lambda-web-adapter (version 1.0.0)
_ADAPTER_ACCOUNT, _ADAPTER_VERSION = "753240598075", 27
_STREAM_SECONDS = 300  # after this a stream ends cleanly, and its client comes back
_STREAM_BYTES = 150_000_000  # Lambda cuts at 200 MB


class StreamFunction(Construct):
    """A function behind a REST API that streams its response.

    One environment serves one connection, and is paid for as long as that lasts.
    """

    def __init__(self, scope: Construct, id: str, *, props: Props) -> None:
        super().__init__(scope, id)
        config, tables, valkey = props.config, props.tables, props.valkey
        self._metrics = StreamMetrics(config)
        self.function = Function(
            self,
            "Function",
            name="stream",
            props=props,
            code=lambda_.Code.from_asset(str(assets.web_function("stream"))),
            handler="functions/stream/run.sh",
            environment={
                **stream_environment(config=config, tables=tables, valkey=valkey),
                "TOCSIN_STREAM_MAX_SECONDS": str(_STREAM_SECONDS),
                "TOCSIN_STREAM_MAX_BYTES": str(_STREAM_BYTES),
                "AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap",
                "AWS_LWA_PORT": "8080",
                "AWS_LWA_INVOKE_MODE": "response_stream",
                "AWS_LWA_READINESS_CHECK_PROTOCOL": "tcp",  # ready sooner than /healthz, which asks
                "AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH": "true",
            },
            timeout=Duration.seconds(_STREAM_SECONDS + 30),
            valkey=valkey,
            reserved_concurrency=config.stream_concurrency,
        )
        adapter = Stack.of(self).format_arn(
            service="lambda",
            account=_ADAPTER_ACCOUNT,
            resource="layer",
            resource_name=f"LambdaAdapterLayerArm64:{_ADAPTER_VERSION}",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        self.function.add_layers(
            lambda_.LayerVersion.from_layer_version_arn(self, "Adapter", adapter)
        )
        allow_stream(self.function, tables=tables, valkey=valkey)
        self.api = rest.RestApi(
            self,
            "Api",
            rest_api_name=f"tocsin-{config.environment}-stream",
            endpoint_types=[rest.EndpointType.REGIONAL],  # idle for 5 minutes, not 30 s
            cloud_watch_role=False,  # that role is the account's, not this API's
            deploy_options=rest.StageOptions(
                throttling_rate_limit=config.requests_per_second,
                throttling_burst_limit=config.request_burst,
                tracing_enabled=config.tracing,
            ),
        )
        self.api.root.add_proxy(
            default_integration=rest.LambdaIntegration(
                self.function,
                response_transfer_mode=rest.ResponseTransferMode.STREAM,
                timeout=Duration.seconds(_STREAM_SECONDS + 15),
                allow_test_invoke=False,
            )
        )
        _acknowledge(self.api)

    def origin(self) -> cloudfront.IOrigin:
        """See :class:`~infra.constructs.stream.StreamHost`."""
        return origins.RestApiOrigin(self.api, read_timeout=Duration.seconds(READ_TIMEOUT_SECONDS))

    def alarm(self, alarms: Alarms) -> None:
        """See :class:`~infra.constructs.signals.Watched`."""
        function = self.function
        alarms.above("StreamErrors", function.metric_errors(), 0, _ERRORS, periods=2)
        alarms.above("StreamThrottled", function.metric_throttles(), 0, _THROTTLED, periods=2)
        self._metrics.alarm(alarms)

    def graphs(self) -> Sequence[cloudwatch.IWidget]:
        """See :class:`~infra.constructs.signals.Watched`."""
        function = self.function
        viewers = function.metric(
            "ConcurrentExecutions", statistic=cloudwatch.Stats.MAXIMUM, label="viewers"
        )
        troubles = [function.metric_errors(), function.metric_throttles()]
        return [
            graph("Streams: viewers", viewers),
            graph("Streams: trouble", *troubles),
            *self._metrics.graphs(),
        ]


_ERRORS = "Streams end early: see the stream function's log."
_THROTTLED = "Viewers are turned away: too few concurrent executions, or time for stream=fargate."


def _acknowledge(api: rest.RestApi) -> None:
    logs = "a REST API's logs need a role that is the account's, which a stack should not set"
    keys = "Tocsin's API keys are checked by the service itself"
    acknowledge(
        api,
        {
            "AwsSolutions-APIG1": logs,
            "AwsSolutions-APIG6": logs,
            "AwsSolutions-APIG2": "requests are validated by the service",
            "AwsSolutions-APIG3": "a firewall is the account's choice, and goes before CloudFront",
            "AwsSolutions-APIG4": keys,
            "AwsSolutions-COG4": keys,
        },
    )
