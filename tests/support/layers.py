"""Running code with the deployed layers, and with nothing else."""

import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from infra import assets

__all__ = ["HOST", "Lock", "run"]

type Lock = Literal["functions", "api", "deliver", "stream"]

_MACHINE = "aarch64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
HOST = f"{_MACHINE}-manylinux_2_28"


def run(
    code: str,
    *,
    lock: Lock,
    environment: Mapping[str, str],
    code_folders: Iterable[Path] = (),
) -> str:
    """Return what the code prints; ``code_folders`` are of assets.

    Raises:
        CalledProcessError: it failed; what it said is on standard error.
    """
    folders = [assets.shared() / "python", assets.dependencies(lock, HOST) / "python"]
    paths = [str(folder) for folder in (*code_folders, *folders)]
    program = f"import sys\nsys.path[:0] = {paths}\n{code}"
    command = [sys.executable, "-I", "-S", "-c", program]  # without this environment's packages
    return subprocess.run(  # noqa: S603 (our own arguments)
        command, env=dict(environment), check=True, stdout=subprocess.PIPE, text=True
    ).stdout
