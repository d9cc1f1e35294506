"""Runs a command beside processes that only keep the machine busy.

``python -m support.busy 8 COMMAND...`` ends as the command did. The busy ones end with it, and also
when this process is killed: each looks whether its parent is still there.
"""

import subprocess
import sys

__all__ = ["main"]

_BUSY = """
import os
parent = os.getppid()
while os.getppid() == parent:
    sum(range(1_000_000))
"""


def main(count: int, command: list[str]) -> int:
    """Run ``command`` beside ``count`` processes, and return its status."""
    busy = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(count)]  # noqa: S603
    try:
        return subprocess.call(command)  # noqa: S603 (what the Makefile says)
    finally:
        for each in busy:
            each.kill()
            each.wait()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
