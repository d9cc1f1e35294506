"""The queues, by what a message of each says."""

from aws_cdk import Duration
from constructs import Construct

from infra.constructs.queue import WorkQueue

__all__ = ["Queues"]

_DELIVER_TIMEOUT = Duration.seconds(60)
# A message says no more than where to look. What is lost is found by a schedule, or with the org's
# next event, so that it need not outlive a day of trouble.
_A_DAY = Duration.days(1)


class Queues:
    """``timers``: look at an approval. ``wakes``, ``slow_wakes``: look at an endpoint.

    ``tails``: bring an org's projections up to date.
    """

    def __init__(self, scope: Construct) -> None:
        """Create all; their ids are those of a deployed environment."""
        self.timers = WorkQueue(
            scope,
            "Timers",
            variable="TOCSIN_EXPIRY_QUEUE_URL",
            timeout=Duration.seconds(30),
            retention=Duration.days(7),  # as long as an approval can wait
        )
        self.wakes = WorkQueue(
            scope,
            "Wakes",
            variable="TOCSIN_WAKES_QUEUE_URL",
            timeout=_DELIVER_TIMEOUT,
            retention=_A_DAY,
        )
        self.slow_wakes = WorkQueue(
            scope,
            "SlowWakes",
            variable="TOCSIN_SLOW_WAKES_QUEUE_URL",
            timeout=_DELIVER_TIMEOUT,
            retention=_A_DAY,
        )
        self.tails = WorkQueue(
            scope,
            "Tails",
            variable="TOCSIN_TAILS_QUEUE_URL",
            timeout=Duration.seconds(60),
            retention=Duration.days(7),  # an org may have no other event for long
        )

    @property
    def all(self) -> tuple[WorkQueue, ...]:
        """Every queue."""
        return (self.timers, self.wakes, self.slow_wakes, self.tails)
