"""What a server's process has used: CPU time and memory, as the kernel counts them."""

import re
import resource
from pathlib import Path

__all__ = ["Usage", "more_files"]

_PSS = re.compile(r"^Pss:\s+(\d+) kB$", re.MULTILINE)


class Usage:
    """Reads ``/proc``."""

    def __init__(self, pid: int) -> None:
        self._proc = Path("/proc", str(pid))

    def cpu_seconds(self) -> float:
        """Return the time that its threads were on a CPU (from schedstat: in nanoseconds)."""
        nanoseconds = 0
        for thread in (self._proc / "task").iterdir():
            nanoseconds += int((thread / "schedstat").read_text().split()[0])
        return nanoseconds / 1e9

    def memory_kb(self) -> int:
        """Return its proportional set size: shared pages count as its share of them."""
        found = _PSS.search((self._proc / "smaps_rollup").read_text())
        if found is None:
            raise RuntimeError(f"{self._proc}/smaps_rollup says no Pss")
        return int(found[1])


def more_files() -> int:
    """Let this process open as many files as it may; return how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
