"""Programs in other languages, and in ours, run as a user runs them in a terminal."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.waiting import HANG_SECONDS, until

__all__ = ["Program", "go_binary", "node_command"]

_ROOT = Path(__file__).parents[2]
_GO = _ROOT / ".venv-go"
_NODE = _ROOT / ".venv-nodejs" / "bin" / "node"
_NODE_MODULES = _ROOT / ".venv-eventsource" / "node_modules"


@dataclass
class Program:
    """A running program, and what it has printed into files of ``folder``."""

    process: subprocess.Popen[bytes]
    folder: Path

    @classmethod
    def start(
        cls, command: Sequence[str | Path], env: Mapping[str, str], folder: Path
    ) -> "Program":
        """Start it in a folder of its own."""
        with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
            process = subprocess.Popen(  # noqa: S603 (tests' own programs)
                command,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=folder,
                env=env,
                start_new_session=True,  # a pipeline is several processes
            )
        return cls(process, folder)

    @property
    def output(self) -> str:
        """Its standard output so far, which may end within a character."""
        return (self.folder / "stdout").read_bytes().decode(errors="replace")

    @property
    def lines(self) -> list[str]:
        """The complete lines of it, as a terminal breaks them."""
        return self.output.split("\n")[:-1]

    @property
    def errors(self) -> str:
        """Its standard error so far."""
        return (self.folder / "stderr").read_bytes().decode(errors="replace")

    def until(self, seen: Callable[[], bool], what: str, seconds: float = 30) -> None:
        """Wait for a state; fail with what it has printed."""
        try:
            until(seen, what, seconds)
        except AssertionError as error:
            said = f"{self.output[-2_000:]}\n{self.errors[-2_000:]}"
            raise AssertionError(f"{error} ({self.process.poll()}):\n{said}") from None

    def until_line(self, line: str) -> None:
        """Wait until it has printed this line."""
        self.until(lambda: line in self.lines, f"the line {line[:200]!r}")

    def wait(self) -> int:
        """Wait for its end, and return its status."""
        return self.process.wait(HANG_SECONDS)

    def stop(self) -> None:
        """End it and what it started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(HANG_SECONDS)


def node_command(program: Path) -> list[Path]:
    """Return the command that runs a module, which can import ``eventsource`` from its folder."""
    _need(_NODE, ".venv-nodejs/.ready")
    _need(_NODE_MODULES, ".venv-eventsource/.ready")
    (program.parent / "node_modules").symlink_to(_NODE_MODULES)
    return [_NODE, program]


def go_binary(source: Path) -> Path:
    """Compile a program that needs the standard library alone; return the program."""
    compiler = _GO / "bin" / "go"
    _need(compiler, ".venv-go/.ready")
    binary = source.with_suffix("")
    subprocess.run(  # noqa: S603
        [compiler, "build", "-o", binary, source],
        check=True,
        cwd=source.parent,
        env={"PATH": os.defpath, "HOME": str(_GO)},
    )
    return binary


def _need(path: Path, target: str) -> None:
    if not path.exists():
        raise RuntimeError(f"{path} is missing: run `make {target}`")
