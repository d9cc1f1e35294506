"""The ingest function."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.constructs.function import Function, Props
from infra.constructs.signals import Alarms, graph

__all__ = ["Ingest"]


class Ingest(Function):
    """``functions/ingest``: may look up keys and orgs, count, and add to the journal."""

    def __init__(self, scope: Construct, id: str, *, props: Props) -> None:
        tables = props.tables
        super().__init__(
            scope,
            id,
            name="ingest",
            props=props,
            environment={
                **tables.environment,
                "TOCSIN_RETENTION_DAYS": str(props.config.retention_days),
            },
            timeout=Duration.seconds(29),  # the gateway answers 504 after 30
        )
        tables.allow(
            self,
            journal=["PutItem", "BatchGetItem"],  # the latter for late repetitions
            ledger=["Query", "BatchGetItem"],  # for those who wait until they are sealed
            state=["GetItem", "BatchGetItem"],  # the latter for receipts and persons' keys
        )
        tables.allow_writing(self, ["receipt#*"], ["PutItem"])
        tables.allow_writing(self, ["quota#*", "subject#*"], ["UpdateItem"])

    def alarm(self, alarms: Alarms) -> None:
        """See :class:`~infra.constructs.signals.Watched`."""
        alarms.above(
            "IngestThrottled",
            self.metric_throttles(),
            0,
            "Requests find no free function: raise the account's concurrent executions.",
            periods=2,
        )
        alarms.above(
            "StoreBusy",
            self.emitted("Refused503"),
            20,
            "DynamoDB throttles: an org is beyond about 1,000 requests or 1 MB a second.",
            periods=2,
        )

    def graphs(self) -> Sequence[cloudwatch.IWidget]:
        """See :class:`~infra.constructs.signals.Watched`."""
        refused = [self.emitted(f"Refused{status}") for status in (401, 429, 503)]
        return [
            graph("Ingest: requests", self.metric_invocations(), right=[self.metric_errors()]),
            graph(
                "Ingest: milliseconds",
                self.metric_duration(statistic="p50"),
                self.metric_duration(statistic="p99"),
            ),
            graph("Ingest: refused", *refused),
        ]
