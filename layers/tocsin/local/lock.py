"""One ``tocsin up`` at a time per home."""

import fcntl
import os
import time
from pathlib import Path

__all__ = ["HomeTaken", "lock_home"]

_SAVING_SECONDS = 120.0
_LOOK_SECONDS = 0.1


class HomeTaken(Exception):
    """Another ``tocsin up`` runs with this home; ``pid`` is its process."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"process {pid}")
        self.pid = pid


def lock_home(home: Path) -> int:
    """Take the home for this process and for those that inherit the returned file descriptor.

    The DynamoDB emulator inherits it. If the last ``tocsin up`` was killed, the home is free only
    when its emulator has saved the tables and ended; this waits for that.

    Raises:
        HomeTaken: a living process has it.
    """
    descriptor = os.open(
        home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
    )
    deadline = time.monotonic() + _SAVING_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = int(os.pread(descriptor, 20, 0) or b"0")
            if _lives(owner) or time.monotonic() > deadline:
                os.close(descriptor)
                raise HomeTaken(owner) from None
            time.sleep(_LOOK_SECONDS)
        else:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            return descriptor


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return pid > 0
