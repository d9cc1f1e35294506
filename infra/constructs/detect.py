"""The detect function."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.constructs.function import Function, Props
from infra.constructs.mapping import SEGMENTS, age_of, alarm_consumer, consume
from infra.constructs.signals import Alarms, graph

__all__ = ["Detect"]

_WINDOW_SECONDS = 5
_PERIOD = Duration.minutes(1)  # for silence, which no event tells of


class Detect(Function):
    """``functions/detect``: tells what is unusual; the second reader of the ledger's stream."""

    def __init__(self, scope: Construct, id: str, *, props: Props) -> None:
        tables = props.tables
        super().__init__(
            scope,
            id,
            name="detect",
            props=props,
            environment={
                **tables.environment,
                "TOCSIN_RETENTION_DAYS": str(props.config.retention_days),
            },
            timeout=Duration.seconds(60),
            memory_mb=1024,
        )
        tables.allow(
            self,
            journal=["Query", "BatchGetItem", "PutItem"],
            ledger=["Query", "BatchGetItem"],
            state=["GetItem", "BatchGetItem"],
        )
        tables.allow_querying(self, ["detected"])
        kept = ["detected", "detect#*", "anomaly#*", "session-state#*"]
        tables.allow_writing(self, kept, ["PutItem"])
        tables.allow_writing(self, ["detect#*"], ["DeleteItem"])
        tables.allow_writing(self, ["suspended#*"], ["UpdateItem"])
        consume(
            self,
            tables.ledger,
            filter=SEGMENTS,
            batch_size=1_000,
            window_seconds=_WINDOW_SECONDS,
        )
        self.run_every(_PERIOD)

    def alarm(self, alarms: Alarms) -> None:
        """See :class:`~infra.constructs.signals.Watched`."""
        alarms.above("DetectBrokenOrgs", self.emitted("BrokenOrgs"), 0, _BROKEN)
        alarm_consumer(self, alarms, "Detect", errors=_ERRORS, behind=_BEHIND, behind_seconds=60)

    def graphs(self) -> Sequence[cloudwatch.IWidget]:
        """See :class:`~infra.constructs.signals.Watched`."""
        found = [self.emitted(name) for name in ("Anomalies", "BrokenOrgs")]
        return [
            graph("Detect: runs", self.metric_invocations(), right=[self.metric_errors(), *found]),
            graph("Detect: milliseconds", self.metric_duration(), right=[age_of(self)]),
        ]


_BROKEN = "An org is not watched: the detect function's log says whose, and why; others are."
_ERRORS = "The detect function fails: nobody is told of what is unusual. See its log."
_BEHIND = "Anomalies come late: the detect function is more than a minute behind the ledger."
