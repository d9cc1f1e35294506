"""Ports that end the process at a chosen call, as a kill -9 does, and processes to end so.

They are forked from one that has imported everything, since that takes longer than what they do.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tocsin.adapters import dynamodb

__all__ = ["Deadly", "Mortals", "each_in_a_child", "mortals"]


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


class Mortals:
    """Runs a module of :func:`each_in_a_child` again and again."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def run(self, call: int, when: str, env: Mapping[str, str], event: object) -> str | None:
        """Run it until it dies before or after a call (from 0); return what it printed at its end.

        None: it died at the call.
        """
        assert self._process.stdin and self._process.stdout
        line = json.dumps({"call": call, "when": when, "env": dict(env), "event": event})
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
        done = json.loads(self._process.stdout.readline())
        assert done["status"] in (0, -signal.SIGKILL), done  # what it raised is on standard error
        return str(done["printed"]) if done["status"] == 0 else None


@contextmanager
def mortals(module: str, env: Mapping[str, str]) -> Iterator[Mortals]:
    """Start the module, which the children are forked from."""
    with subprocess.Popen(  # noqa: S603 (our own modules)
        [sys.executable, "-m", module], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield Mortals(process)


def each_in_a_child(main: Callable[[Deadly, Any], None]) -> None:
    """Do what each line on standard input asks for in a process of its own, and answer in a line.

    ``main`` gets what its ports are to be wrapped in, and the event.
    """
    dynamodb.client()  # has read what the children's clients need
    for line in sys.stdin:
        asked = json.loads(line)
        output, printed = os.pipe()
        child = os.fork()
        if not child:
            os.dup2(printed, 1)
            os.environ |= asked["env"]
            main(Deadly(asked["call"], asked["when"]), asked["event"])
            sys.exit()
        os.close(printed)
        with open(output) as said:
            text = said.read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps({"status": status, "printed": text}), flush=True)
