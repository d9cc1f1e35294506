"""Ports that end the process at a chosen call, as a kill -9 does."""

import os
import signal
from collections.abc import Callable
from typing import Any


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
