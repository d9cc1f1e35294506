"""The sweeper: passes to the fan-out's code what the journal's stream did not deliver."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from constructs import Construct

from infra.config import Config
from infra.constructs.fanout import (
    CONFLICTS,
    SEALING,
    SET_ASIDE,
    UNPUBLISHED,
    fanout_environment,
)
from infra.constructs.function import Function
from infra.constructs.layers import Layers
from infra.constructs.signals import Alarms, graph
from infra.constructs.tables import Tables
from infra.constructs.valkey import PUBLISHER, Valkey

__all__ = ["Sweeper"]

_PERIOD = Duration.minutes(5)


class Sweeper(Function):
    """``functions/sweeper``: every five minutes."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: Config,
        layers: Layers,
        tables: Tables,
        valkey: Valkey | None,
    ) -> None:
        """Create the function and its schedule."""
        super().__init__(
            scope,
            id,
            name="sweeper",
            config=config,
            layers=layers,
            environment=fanout_environment(tables, valkey),
            timeout=Duration.seconds(60),
            memory_mb=1024,
            valkey=valkey,
        )
        state = ["GetItem", "PutItem", "Query"]
        tables.allow(self, journal=["Query"], ledger=SEALING, state=state)
        self._publishes = valkey is not None
        if valkey is not None:
            valkey.allow(self, PUBLISHER)
        events.Rule(
            self,
            "Schedule",
            schedule=events.Schedule.rate(_PERIOD),
            targets=[
                targets.LambdaFunction(
                    self, event=events.RuleTargetInput.from_object({}), retry_attempts=0
                )
            ],
        )
        self.configure_async_invoke(retry_attempts=0)  # the next run does it again

    def alarm(self, alarms: Alarms) -> None:
        """See :class:`~infra.constructs.signals.Watched`."""
        count, above = self.emitted, alarms.above
        above("Swept", count("SealedEvents"), 0, _SWEPT)
        above("SweeperSetAside", count("SetAside"), 0, SET_ASIDE)
        above("SweeperConflicts", count("SealConflicts"), 100, CONFLICTS, periods=3)
        if self._publishes:
            above("SweeperUnpublished", count("Unpublished"), 0, UNPUBLISHED, periods=3)
        above("SweeperErrors", self.metric_errors(), 0, _ERRORS, periods=3)
        runs = self.metric_invocations(period=Duration.minutes(15))
        alarms.silent("SweeperGone", runs, "The sweeper's schedule does not run.", periods=2)

    def graphs(self) -> Sequence[cloudwatch.IWidget]:
        """See :class:`~infra.constructs.signals.Watched`."""
        found = [self.emitted(name) for name in ("SealedEvents", "SetAside", "Unpublished")]
        return [graph("Sweeper", self.metric_invocations(), right=[self.metric_errors(), *found])]


_SWEPT = "The journal's stream lost events; they are sealed now."
_ERRORS = "The sweeper does not get to its end: what the stream loses stays unsealed. See its log."
