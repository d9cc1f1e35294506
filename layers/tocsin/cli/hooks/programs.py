"""The programs on this machine: which version a coding agent has, and how ``tocsin`` is started."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from typing import Final

__all__ = ["is_fleeting", "tocsin_program", "version_of"]

_PROGRAMS: Final = {
    "claude-code": "claude",
    "codex": "codex",
    "cursor": "cursor",
    "gemini-cli": "gemini",
}
_VERSION: Final = re.compile(r"(?<![\d.])(\d+)\.(\d+)\.(\d+)")
_SECONDS: Final = 20
_UVS_CACHE: Final = re.compile(r"/(?:archive|environments|builds)-v\d+(?:/|$)")


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
    """Return how a shell starts ``tocsin``; for others' machines, by its name alone.

    One that stays is preferred to one in uv's cache, which ``uvx`` puts first in the path.
    """
    if shared:
        return "tocsin"
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    staying = os.pathsep.join(each for each in folders if not is_fleeting(each))
    found = shutil.which("tocsin", path=staying) or shutil.which("tocsin")
    return shlex.quote(found) if found else f"{shlex.quote(sys.executable)} -m tocsin.cli"


def is_fleeting(program: str) -> bool:
    """Whether a path, or a command that begins with it, is in uv's cache, which may be emptied."""
    return _UVS_CACHE.search(program) is not None
