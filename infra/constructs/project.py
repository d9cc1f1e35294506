"""The project function."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.constructs.function import Function, Props
from infra.constructs.mapping import SEGMENTS, age_of, alarm_consumer, consume
from infra.constructs.signals import Alarms, graph

__all__ = ["Project"]

_PROJECTED = ("projected", "session#*", "agent#*", "usage#*", "day#*", "day-*", "spent#*")
_LISTED = ("seen-session#*", "seen-agent#*")
_WINDOW_SECONDS = 30  # a projected item costs a write however many events change it


class Project(Function):
    """``functions/project``: sessions, agents, usage, days, summaries; on the ledger's stream.

    What it counts for budgets it compares with them, and tells what is used up in the journal.
    """

    def __init__(self, scope: Construct, id: str, *, props: Props) -> None:
        tables = props.tables
        super().__init__(
            scope,
            id,
            name="project",
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
        tables.allow_writing(self, _PROJECTED, ["UpdateItem"])
        kept = ["budget#*", "key#*", "session-state#*", "summary#*"]
        tables.allow_writing(self, kept, ["PutItem"])
        tables.allow_querying(self, ["budget#*", "key#*", "summary#*"])
        tables.allow_writing(self, _LISTED, ["UpdateItem", "DeleteItem"])
        consume(
            self,
            tables.ledger,
            filter=SEGMENTS,
            batch_size=1_000,
            window_seconds=_WINDOW_SECONDS,
        )

    def alarm(self, alarms: Alarms) -> None:
        """See :class:`~infra.constructs.signals.Watched`."""
        alarms.above("ProjectBrokenOrgs", self.emitted("BrokenOrgs"), 0, _BROKEN)
        alarm_consumer(self, alarms, "Project", errors=_ERRORS, behind=_BEHIND, behind_seconds=300)

    def graphs(self) -> Sequence[cloudwatch.IWidget]:
        """See :class:`~infra.constructs.signals.Watched`."""
        broken = self.emitted("BrokenOrgs")
        return [
            graph("Project: runs", self.metric_invocations(), right=[self.metric_errors(), broken]),
            graph("Project: milliseconds", self.metric_duration(), right=[age_of(self)]),
        ]


_BROKEN = "An org's projections stand still: the project function's log says whose, and why."
_ERRORS = "The project function fails: sessions and agents are not brought up to date."
_BEHIND = "Sessions and agents are more than five minutes behind the ledger."
