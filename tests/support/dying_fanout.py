"""Run the fan-out handler on an event and project, and die at one of the calls to the stores.

``python -m support.dying_fanout CALL before|after < event.json``: kill -9 before or after the call
with that number (from 0). It exits with 0 when the handler ended before that call.
"""

import json
import sys

from functions.fanout import handler as deployed
from support.context import Context
from support.dying import Deadly
from tocsin.bootstrap.admin import wire
from tocsin.services.sealing.fanout import Fanout
from tocsin.services.sealing.project import Projector


class _Broker:
    def publish(self, org: str, message: bytes) -> None:
        """Nobody listens here."""


def main() -> None:
    deadly = Deadly(int(sys.argv[1]), sys.argv[2])
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
    answer = deployed.handler(json.load(sys.stdin), Context("fanout"))
    assert answer == {"batchItemFailures": []}, answer
    assert projector(["acme"]).failed == {}


if __name__ == "__main__":
    main()
