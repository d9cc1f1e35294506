"""The programs on this machine: which version a coding agent has, and how ``tocsin`` is started."""

import re
import shlex
import shutil
import subprocess
import sys
from typing import Final

__all__ = ["tocsin_program", "version_of"]

_PROGRAMS: Final = {
    "claude-code": "claude",
    "codex": "codex",
    "cursor": "cursor",
    "gemini-cli": "gemini",
}
_VERSION: Final = re.compile(r"(?<![\d.])(\d+)\.(\d+)\.(\d+)")
_SECONDS: Final = 20


def version_of(product: str) -> tuple[int, ...] | None:
    """Return the version of a product that is installed here; None: it does not say."""
    program = shutil.which(_PROGRAMS[product])
    if program is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 (what a shell would start)
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(done.stdout[:1_000].decode(errors="replace"))
    return tuple(map(int, found.groups())) if found and done.returncode == 0 else None


def tocsin_program(*, shared: bool) -> str:
    """Return how a shell starts ``tocsin``; for others' machines, by its name alone."""
    if shared:
        return "tocsin"
    found = shutil.which("tocsin")
    return shlex.quote(found) if found else f"{shlex.quote(sys.executable)} -m tocsin.cli"
