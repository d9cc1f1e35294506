"""The expire function."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.constructs.function import Function, Props
from infra.constructs.queue import WorkQueue
from infra.constructs.signals import Alarms, graph

__all__ = ["Expire"]

_PERIOD = Duration.minutes(1)
_AT_ONCE = 10  # invocations with ten messages each: new accounts have ten in all
_LATE_MS = 5_000
_OLD_SECONDS = 30 * 60  # a message may be delayed for 15 minutes, and come again after three


class Expire(Function):
    """``functions/expire``: on the timers' queue, and every minute for those that were lost."""

    def __init__(self, scope: Construct, id: str, *, props: Props, timers: WorkQueue) -> None:
        tables = props.tables
        super().__init__(
            scope,
            id,
            name="expire",
            props=props,
            environment={
                **tables.environment,
                **timers.environment,
                "TOCSIN_RETENTION_DAYS": str(props.config.retention_days),
            },
            timeout=timers.timeout,
            invokes_itself=True,  # a timer that is early is set again
        )
        self._timers = timers
        tables.allow(self, journal=["PutItem"], state=["GetItem", "BatchGetItem", "Query"])
        tables.allow_writing(self, ["approval#*"], ["PutItem"])
        tables.allow_writing(self, ["approval-pending#*"], ["DeleteItem"])
        timers.allow_sending(self)
        timers.invoke(self, "Timers", at_once=_AT_ONCE)
        self.run_every(_PERIOD)

    def alarm(self, alarms: Alarms) -> None:
        """See :class:`~infra.constructs.signals.Watched`."""
        late = self.emitted("LateMs", "p99")
        alarms.above("ExpireErrors", self.metric_errors(), 0, _ERRORS, periods=3)
        alarms.above("ExpireThrottled", self.metric_throttles(), 0, _THROTTLED, periods=2)
        alarms.above("ExpireBrokenOrgs", self.emitted("BrokenOrgs"), 0, _BROKEN)
        alarms.above("ExpireLate", late, _LATE_MS, _LATE, periods=2)
        alarms.above("TimersOld", self._timers.oldest_seconds, _OLD_SECONDS, _OLD, periods=2)
        alarms.above("TimersDead", self._timers.dead_letters, 0, _DEAD)

    def graphs(self) -> Sequence[cloudwatch.IWidget]:
        """See :class:`~infra.constructs.signals.Watched`."""
        queue = self._timers.queue
        delayed = queue.metric_approximate_number_of_messages_delayed()
        visible = queue.metric_approximate_number_of_messages_visible()
        found = [self.emitted(name) for name in ("SweptApprovals", "BrokenOrgs")]
        return [
            graph("Expire: runs", self.metric_invocations(), right=[self.metric_errors(), *found]),
            graph("Expire: milliseconds late", *(self.emitted("LateMs", p) for p in _PERCENTILES)),
            graph("Timers", delayed, right=[visible]),
        ]


_PERCENTILES = ("p50", "p99")
_ERRORS = "Approvals do not expire, or those whose timers were lost: see the expire function's log."
_THROTTLED = "Approvals expire late: raise the account's concurrent executions."
_BROKEN = "An approval can't be read: the expire function's log says whose, and why; others go on."
_LATE = "Approvals expire more than five seconds late: see the expire function's log and Timers."
_OLD = "Timers' messages are not taken: see the expire function and its event source mapping."
_DEAD = "A timer's message failed ten times: the expire function's log says why, then purge them."
