"""Run the fan-out handler on an event and project, and die at one of the calls to the stores.

``python -m support.dying_fanout CALL before|after < event.json``: kill -9 before or after the call
with that number (from 0). It exits with 0 when the handler ended before that call.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from functions.fanout import handler as deployed
from support.context import Context
from tocsin import bootstrap
from tocsin.services.fanout import Fanout
from tocsin.services.project import Projector


class Deadly:
    """Counts the calls to all ports, and dies at the chosen one."""

    def __init__(self, call: int, when: str) -> None:
        self.left, self.when = call, when

    def wrap(self, port: Any) -> Any:
        return _Port(port, self)

    def around(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        chosen = self.left == 0
        self.left -= 1
        if chosen and self.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = method(*args, **kwargs)
        if chosen:
            os.kill(os.getpid(), signal.SIGKILL)
        return result


class _Port:
    def __init__(self, port: Any, deadly: Deadly) -> None:
        self._port, self._deadly = port, deadly

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._port, name)
        return lambda *args, **kwargs: self._deadly.around(method, *args, **kwargs)


class _Broker:
    def publish(self, org: str, message: bytes) -> None:
        """Nobody listens here."""


def main() -> None:
    deadly = Deadly(int(sys.argv[1]), sys.argv[2])
    admin = bootstrap.admin()
    fanout = Fanout(
        ledger=deadly.wrap(admin.ledger),
        set_aside=deadly.wrap(admin.set_aside),
        broker=deadly.wrap(_Broker()),
        clock=bootstrap.SystemClock(),
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
