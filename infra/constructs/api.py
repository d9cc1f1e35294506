"""The API function."""

import json
from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.constructs.function import Function, Props
from infra.constructs.signals import Alarms, graph

__all__ = ["Api"]


class Api(Function):
    """``functions/api``: may look up keys, sign-ins, orgs and what they have used."""

    def __init__(self, scope: Construct, id: str, *, props: Props) -> None:
        tables, config = props.tables, props.config
        super().__init__(
            scope,
            id,
            name="api",
            props=props,
            environment={
                **tables.environment,
                "TOCSIN_RETENTION_DAYS": str(config.retention_days),
                "TOCSIN_ALLOWED_ORIGINS": json.dumps(config.allowed_origins),
            },
            timeout=Duration.seconds(29),  # the gateway answers 504 after 30
        )
        tables.allow(self, state=["GetItem"])

    def alarm(self, alarms: Alarms) -> None:
        """See :class:`~infra.constructs.signals.Watched`."""
        alarms.above(
            "ApiThrottled",
            self.metric_throttles(),
            0,
            "Requests find no free function: raise the account's concurrent executions.",
            periods=2,
        )
        alarms.above(
            "ApiStoreBusy",
            self.emitted("Refused503"),
            20,
            "DynamoDB throttles, or refuses: the API's log and the state table say why.",
            periods=2,
        )

    def graphs(self) -> Sequence[cloudwatch.IWidget]:
        """See :class:`~infra.constructs.signals.Watched`."""
        refused = [self.emitted(f"Refused{status}") for status in (401, 403, 503)]
        return [
            graph("API: requests", self.metric_invocations(), right=[self.metric_errors()]),
            graph(
                "API: milliseconds",
                self.metric_duration(statistic="p50"),
                self.metric_duration(statistic="p99"),
            ),
            graph("API: refused", *refused),
        ]
