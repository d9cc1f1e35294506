"""Run the fan-out handler on events and project, and die at one of the calls to the stores."""

from typing import Any

from functions.fanout import handler as deployed
from support.context import Context
from support.dying import Deadly, each_in_a_child
from tocsin.bootstrap.admin import wire
from tocsin.services.sealing.fanout import Fanout
from tocsin.services.sealing.project import Projector


class _Broker:
    def publish(self, org: str, message: bytes) -> None:
        """Nobody listens here."""


def main(deadly: Deadly, event: Any) -> None:
    admin = wire()
    fanout = Fanout(
        ledger=deadly.wrap(admin.ledger),
        set_aside=deadly.wrap(admin.set_aside),
        broker=deadly.wrap(_Broker()),
        clock=admin.clock,
    )
    projector = Projector(
        ledger=deadly.wrap(admin.ledger),
        journal=deadly.wrap(admin.journal),
        projections=deadly.wrap(admin.projections),
    )
    deployed.service = lambda: fanout  # type: ignore[assignment]
    answer = deployed.handler(event, Context("fanout"))
    assert answer == {"batchItemFailures": []}, answer
    assert projector(["acme"]).failed == {}


if __name__ == "__main__":
    each_in_a_child(main)
