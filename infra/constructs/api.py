"""The API function."""

import json
from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.constructs.function import Function, Props
from infra.constructs.queues import Queues
from infra.constructs.signals import Alarms, graph

__all__ = ["Api"]

_REMOVED = (
    "approval-pending#*",
    "approval-rule#*",
    "budget#*",
    "endpoint#*",
    "pass-session#*",
)
_KEPT = (
    "approval#*",
    "approval-call#*",
    "approval-grant#*",
    *_REMOVED,
    "agent-state#*",
    "anomaly#*",
    "auth-failed#*",
    "detection#*",
    "key#*",
    "policy#*",
    "privacy#*",
    "session-state#*",
)


class Api(Function):
    """``functions/api``: may read the state table, and keep what people decide on.

    It keeps sign-ins, too. What it changes it tells in the journal. It counts the calls that it
    decides about, and how often a key asks.
    """

    def __init__(self, scope: Construct, id: str, *, props: Props, queues: Queues) -> None:
        tables, config = props.tables, props.config
        super().__init__(
            scope,
            id,
            name="api",
            props=props,
            environment={
                **tables.environment,
                **queues.timers.environment,
                "TOCSIN_RETENTION_DAYS": str(config.retention_days),
                "TOCSIN_ALLOWED_ORIGINS": json.dumps(config.allowed_origins),
                "TOCSIN_EXPORT_BUCKETS": json.dumps(config.export_buckets),
                **({"TOCSIN_MAIL_FROM": config.mail_from} if config.mail_from else {}),
                **({"TOCSIN_PUBLIC_URL": config.address} if config.address else {}),
                **{f"TOCSIN_{name.upper()}": value for name, value in config.api_options.items()},
            },
            timeout=Duration.seconds(29),  # the gateway answers 504 after 30
        )
        tables.allow(
            self,
            journal=["PutItem"],
            ledger=["Query", "BatchGetItem"],  # where an endpoint begins, what it is sent once more
            state=["GetItem", "BatchGetItem", "Query"],
        )
        tables.allow_writing(self, _KEPT, ["PutItem"])
        tables.allow_writing(self, _REMOVED, ["DeleteItem"])
        tables.allow_writing(
            self,
            [
                *("budget-turn#*", "hook-wait#*", "notified", "quota#*", "rate#*", "subject#*"),
                "suspended#*",
            ],
            ["UpdateItem"],
        )
        tables.allow_writing(self, ["org", "projected"], ["ConditionCheckItem"])  # it only looks
        queues.timers.allow_sending(self)

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
