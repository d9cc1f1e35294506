"""The project function."""

from collections.abc import Sequence

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.constructs.function import Function, Props
from infra.constructs.mapping import SEGMENTS, age_of, alarm_consumer, consume
from infra.constructs.queues import Queues
from infra.constructs.signals import Alarms, graph

__all__ = ["Project"]

_PROJECTED = (
    "projected",
    "session#*",
    "agent#*",
    "usage#*",
    "day#*",
    "day-*",
    "spent#*",
    "calls#*",
)
_LISTED = ("seen-session#*", "seen-agent#*")
_WINDOW_SECONDS = 1  # endpoints wait for it; what it saves in writes, the tails do
_OLD_SECONDS = 5 * 60
_AT_ONCE = 10  # invocations with ten orgs each: new accounts have ten in all


class Project(Function):
    """``functions/project``: sessions, agents, usage, days, summaries; on the ledger's stream.

    The stream has it wake the org's endpoints, and send itself a message of the org's tail: by that
    it projects, half a minute later. What it counts for budgets it compares with them, and tells
    what is used up in the journal.
    """

    def __init__(self, scope: Construct, id: str, *, props: Props, queues: Queues) -> None:
        tables = props.tables
        super().__init__(
            scope,
            id,
            name="project",
            props=props,
            environment={
                **tables.environment,
                **queues.wakes.environment,
                **queues.tails.environment,
                "TOCSIN_RETENTION_DAYS": str(props.config.retention_days),
            },
            timeout=queues.tails.timeout,
            memory_mb=1024,
            invokes_itself=True,  # a tail that comes too early, or has more, is set again
        )
        self._tails = queues.tails
        tables.allow(
            self,
            journal=["Query", "BatchGetItem", "PutItem"],
            ledger=["Query", "BatchGetItem"],
            state=["GetItem", "BatchGetItem"],
        )
        tables.allow_writing(self, _PROJECTED, ["UpdateItem"])
        kept = ["budget#*", "key#*", "session-state#*", "summary#*"]
        tables.allow_writing(self, kept, ["PutItem"])
        tables.allow_querying(self, ["budget#*", "calls#*", "key#*", "summary#*"])
        tables.allow_writing(self, _LISTED, ["UpdateItem", "DeleteItem"])
        consume(
            self,
            tables.ledger,
            filter=SEGMENTS,
            batch_size=1_000,
            window_seconds=_WINDOW_SECONDS,
        )
        for queue in (queues.wakes, queues.tails):
            queue.allow_sending(self)
        queues.tails.invoke(self, "Tails", at_once=_AT_ONCE)

    def alarm(self, alarms: Alarms) -> None:
        """See :class:`~infra.constructs.signals.Watched`."""
        alarms.above("ProjectBrokenOrgs", self.emitted("BrokenOrgs"), 0, _BROKEN)
        alarm_consumer(self, alarms, "Project", errors=_ERRORS, behind=_BEHIND, behind_seconds=60)
        alarms.above("TailsOld", self._tails.oldest_seconds, _OLD_SECONDS, _OLD, periods=2)
        alarms.above("ProjectWaiting", self.emitted("WaitingOrgs"), 0, _WAITING, periods=3)
        alarms.above("TailsDead", self._tails.dead_letters, 0, _DEAD)

    def graphs(self) -> Sequence[cloudwatch.IWidget]:
        """See :class:`~infra.constructs.signals.Watched`."""
        broken, queue = self.emitted("BrokenOrgs"), self._tails.queue
        delayed = queue.metric_approximate_number_of_messages_delayed()
        visible = queue.metric_approximate_number_of_messages_visible()
        return [
            graph("Project: runs", self.metric_invocations(), right=[self.metric_errors(), broken]),
            graph("Project: milliseconds", self.metric_duration(), right=[age_of(self)]),
            graph("Tails", delayed, right=[visible]),
        ]


_BROKEN = "An org's projections stand still: the project function's log says whose, and why."
_ERRORS = "The project function fails: sessions and agents are not brought up to date."
_WAITING = (
    "An org's sessions and agents have not been brought up to date for a quarter of an hour, since "
    "a store is busy: the project function's log says whose."
)
_BEHIND = (
    "Endpoints are woken more than a minute late, and sessions and agents follow later still: the "
    "project function is behind the ledger's stream. See its log."
)
_OLD = (
    "Sessions and agents are more than five minutes behind the ledger: the tails' messages are not "
    "taken, or fail. See the project function's log and its event source mappings."
)
_DEAD = (
    "An org's sessions and agents were not brought up to date, ten times; its next events try "
    "again. When the reason in the project function's log is gone, redrive the dead letters."
)
