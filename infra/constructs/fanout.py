"""The fan-out function."""

from collections.abc import Mapping, Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.config import Config
from infra.constructs.function import Function
from infra.constructs.layers import Layers
from infra.constructs.mapping import age_of, consume
from infra.constructs.signals import Alarms, graph
from infra.constructs.tables import Tables
from infra.constructs.valkey import PUBLISHER, Valkey

__all__ = ["CONFLICTS", "SEALING", "SET_ASIDE", "UNPUBLISHED", "Fanout", "fanout_environment"]

# What the sweeper, which does the same, can tell too:
SET_ASIDE = "A journal item could not be read and was passed over: `tocsin set-aside --all`."
CONFLICTS = "Sealers get in each other's way: is a second one running?"
UNPUBLISHED = "Valkey does not take what was sealed: streams are late by up to five seconds."
SEALING = ("Query", "BatchGetItem", "PutItem", "UpdateItem")  # on the ledger


class Fanout(Function):
    """``functions/fanout``: seals and publishes; on the journal's stream."""

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
        """Create the function and its event source mapping."""
        super().__init__(
            scope,
            id,
            name="fanout",
            config=config,
            layers=layers,
            environment=fanout_environment(tables, valkey),
            timeout=Duration.seconds(60),
            memory_mb=1024,
            valkey=valkey,
        )
        tables.allow(self, ledger=SEALING, state=["PutItem"])
        self._publishes = valkey is not None
        if valkey is not None:
            valkey.allow(self, PUBLISHER)
        window = config.batch_window_seconds
        consume(self, tables.journal, filter={}, batch_size=100, window_seconds=window)

    def alarm(self, alarms: Alarms) -> None:
        """See :class:`~infra.constructs.signals.Watched`."""
        count, above = self.emitted, alarms.above
        above("SetAside", count("SetAside"), 0, SET_ASIDE)
        above("SealConflicts", count("SealConflicts"), 100, CONFLICTS, periods=3)
        if self._publishes:
            above("Unpublished", count("Unpublished"), 0, UNPUBLISHED, periods=3)
        above("FanoutErrors", self.metric_errors(), 0, _ERRORS, periods=2)
        above("FanoutBehind", age_of(self), 60_000, _BEHIND, periods=5)

    def graphs(self) -> Sequence[cloudwatch.IWidget]:
        """See :class:`~infra.constructs.signals.Watched`."""
        count = self.emitted
        p50, p99 = (self.metric_duration(statistic=name) for name in ("p50", "p99"))
        troubles = map(count, ("SealConflicts", "SetAside", "Unpublished"))
        return [
            graph("Sealed", count("SealedEvents"), right=[count("Segments")]),
            graph("Fan-out: milliseconds", p50, p99, right=[age_of(self)]),
            graph("Fan-out: trouble", self.metric_errors(), *troubles),
        ]


def fanout_environment(tables: Tables, valkey: Valkey | None) -> Mapping[str, str]:
    """Return what ``tocsin.settings.FanoutSettings`` reads."""
    return {**tables.environment, **(valkey.environment(PUBLISHER) if valkey else {})}


_ERRORS = "The fan-out fails: events are accepted, but neither sealed nor shown. See its log."
_BEHIND = "Events are sealed more than a minute late: see the fan-out's log."
