"""Alarms, each with its meaning for the person it wakes, and graphs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.config import Config

__all__ = ["Alarms", "Emitted", "Watched", "graph"]


class Watched(Protocol):
    """A part that knows what can go wrong with it."""

    def alarm(self, alarms: "Alarms") -> None:
        """Add its alarms."""

    def graphs(self) -> Sequence[cloudwatch.IWidget]:
        """Return its row of the dashboard."""


class Alarms(Construct):
    """Alarms that notify one topic. Missing data is good news unless said otherwise."""

    def __init__(self, scope: Construct, id: str, *, topic: sns.ITopic) -> None:
        super().__init__(scope, id)
        self._action = actions.SnsAction(topic)
        self.all: list[cloudwatch.Alarm] = []

    def above(
        self,
        id: str,
        metric: cloudwatch.IMetric,
        threshold: float,
        meaning: str,
        *,
        periods: int = 1,
    ) -> None:
        """Alarm when the metric is above the threshold in each of the last ``periods``."""
        self._add(id, metric, threshold, meaning, periods, _ABOVE, _QUIET)

    def silent(
        self, id: str, metric: cloudwatch.IMetric, meaning: str, *, periods: int = 1
    ) -> None:
        """Alarm when the metric has been below 1, or absent, in each of the last ``periods``."""
        self._add(id, metric, 1, meaning, periods, _BELOW, cloudwatch.TreatMissingData.BREACHING)

    def _add(
        self,
        id: str,
        metric: cloudwatch.IMetric,
        threshold: float,
        meaning: str,
        periods: int,
        comparison: cloudwatch.ComparisonOperator,
        missing: cloudwatch.TreatMissingData,
    ) -> None:
        alarm = cloudwatch.Alarm(
            self,
            id,
            metric=metric,
            threshold=threshold,
            evaluation_periods=periods,
            comparison_operator=comparison,
            treat_missing_data=missing,
            alarm_description=meaning,
        )
        alarm.add_alarm_action(self._action)
        alarm.add_ok_action(self._action)
        self.all.append(alarm)


_ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
_BELOW = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
_QUIET = cloudwatch.TreatMissingData.NOT_BREACHING


@dataclass(frozen=True, slots=True)
class Emitted:
    """The metrics that one of our own services emits, in a namespace of its environment."""

    config: Config
    service: str

    @property
    def namespace(self) -> str:
        """The metrics' namespace; the service gets it as a setting."""
        return f"tocsin-{self.config.environment}"

    def __call__(
        self, name: str, statistic: str = cloudwatch.Stats.SUM, *, minutes: int = 5
    ) -> cloudwatch.Metric:
        """Return one of the metrics, over periods of so many minutes."""
        return cloudwatch.Metric(
            namespace=self.namespace,
            metric_name=name,
            dimensions_map={"service": self.service},
            statistic=statistic,
            period=Duration.minutes(minutes),
        )


def graph(
    title: str, *left: cloudwatch.IMetric, right: Sequence[cloudwatch.IMetric] = ()
) -> cloudwatch.GraphWidget:
    """Return a graph that is a third of a dashboard's row."""
    return cloudwatch.GraphWidget(title=title, left=[*left], right=[*right], width=8, height=6)
