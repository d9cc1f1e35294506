"""The fan-out function."""

from collections.abc import Sequence

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.constructs.function import Props
from infra.constructs.mapping import age_of, alarm_consumer, consume
from infra.constructs.sealer import Sealer
from infra.constructs.signals import Alarms, graph

__all__ = ["Fanout"]


class Fanout(Sealer):
    """``functions/fanout``: seals and publishes; on the journal's stream."""

    def __init__(self, scope: Construct, id: str, *, props: Props) -> None:
        super().__init__(scope, id, name="fanout", props=props)
        consume(
            self,
            props.tables.journal,
            filter={},
            batch_size=100,
            window_seconds=props.config.batch_window_seconds,
        )

    def alarm(self, alarms: Alarms) -> None:
        """See :class:`~infra.constructs.signals.Watched`."""
        self.alarm_sealing(
            alarms,
            set_aside="SetAside",
            broken="BrokenOrgs",
            conflicts="SealConflicts",
            unpublished="Unpublished",
        )
        alarm_consumer(self, alarms, "Fanout", errors=_ERRORS, behind=_BEHIND, behind_seconds=60)

    def graphs(self) -> Sequence[cloudwatch.IWidget]:
        """See :class:`~infra.constructs.signals.Watched`."""
        count = self.emitted
        p50, p99 = (self.metric_duration(statistic=name) for name in ("p50", "p99"))
        troubles = map(count, ("SealConflicts", "SetAside", "BrokenOrgs", "Unpublished"))
        return [
            graph("Sealed", count("SealedEvents"), right=[count("Segments")]),
            graph("Fan-out: milliseconds", p50, p99, right=[age_of(self)]),
            graph("Fan-out: trouble", self.metric_errors(), *troubles),
        ]


_ERRORS = "The fan-out fails: events are accepted, but neither sealed nor shown. See its log."
_BEHIND = "Events are sealed more than a minute late: see the fan-out's log."
