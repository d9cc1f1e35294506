"""Whether processes are still there."""

from collections.abc import Iterable

import psutil

__all__ = ["running"]


def running(pids: Iterable[int]) -> list[int]:
    """Return those that run; one that ended and that nobody has asked about does not."""
    return [pid for pid in pids if _runs(pid)]


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
