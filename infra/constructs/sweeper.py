"""The sweeper: passes what the journal's stream did not deliver to the fan-out's code."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.constructs.function import Props
from infra.constructs.sealer import Sealer
from infra.constructs.signals import Alarms, graph

__all__ = ["Sweeper"]

_PERIOD = Duration.minutes(5)


class Sweeper(Sealer):
    """``functions/sweeper``, invoked every five minutes."""

    def __init__(self, scope: Construct, id: str, *, props: Props) -> None:
        super().__init__(
            scope,
            id,
            name="sweeper",
            props=props,
            journal=["Query"],
            state=["GetItem", "Query"],
        )
        props.tables.allow_writing(self, ["sweep"], ["PutItem"])
        self.run_every(_PERIOD)

    def alarm(self, alarms: Alarms) -> None:
        """See :class:`~infra.constructs.signals.Watched`."""
        alarms.above("Swept", self.emitted("SealedEvents"), 0, _SWEPT)
        self.alarm_sealing(
            alarms,
            set_aside="SweeperSetAside",
            broken="SweeperBrokenOrgs",
            conflicts="SweeperConflicts",
            unpublished="SweeperUnpublished",
        )
        alarms.above("SweeperErrors", self.metric_errors(), 0, _ERRORS, periods=3)
        runs = self.metric_invocations(period=Duration.minutes(15))
        alarms.silent("SweeperGone", runs, "The sweeper's schedule does not run.", periods=2)

    def graphs(self) -> Sequence[cloudwatch.IWidget]:
        """See :class:`~infra.constructs.signals.Watched`."""
        found = [self.emitted(name) for name in ("SealedEvents", "SetAside", "Unpublished")]
        return [graph("Sweeper", self.metric_invocations(), right=[self.metric_errors(), *found])]


_SWEPT = "The journal's stream lost events; they are sealed now."
_ERRORS = "The sweeper does not get to its end: what the stream loses stays unsealed. See its log."
