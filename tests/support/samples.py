"""The sample clients that the four products' documents print, in ``e2e/samples``.

They are there as they are printed, without comments. What is replaced is the host and the key.
"""

import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from support.orgs import NewOrg
from support.programs import Program, go_binary, node_command

__all__ = ["Visitor"]

_SAMPLES = Path(__file__).parents[1] / "e2e" / "samples"
_HOSTS = (
    "https://your-igris.fly.dev",
    "http://localhost:4001",
    "http://127.0.0.1:9090",
    "http://localhost:9090",
    "https://your-app.com",
)
_KEYS = ("ig_abc123...", "your-bearer-token", "your-token-here")


@dataclass
class Visitor:
    """Somebody who follows the documents, with a terminal, a home and an org of their own."""

    org: NewOrg
    home: Path
    started: list[Program] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for program in self.started:
            program.stop()

    def __post_init__(self) -> None:
        self.folder("home/.rampart").joinpath("token").write_text(f"{self.org.key}\n")

    def folder(self, name: str) -> Path:
        """Make a folder."""
        (made := self.home / name).mkdir(parents=True)
        return made

    def sample(self, name: str) -> str:
        """Return a printed program, for the running product and the org's key."""
        text = (_SAMPLES / name).read_text()
        for host in _HOSTS:
            text = text.replace(host, self.org.product.url)
        for key in _KEYS:
            text = text.replace(key, self.org.key)
        return text

    def start(self, *command: str | Path, **variables: str) -> Program:
        """Start a program with what the documents expect in its environment, and ``variables``."""
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home / "home"),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "GOVRIX_API_KEY": self.org.key,
            "TOKEN": self.org.key,
            **variables,
        }
        folder = self.folder(f"program-{len(self.started)}")
        self.started.append(Program.start(command, env, folder))
        return self.started[-1]

    def command(self, name: str) -> list[str | Path]:
        """Return the command that runs a sample of ours; it is compiled where it has to be."""
        program = self.folder(f"sample-{name}") / name
        program.write_text(self.sample(name))
        if program.suffix == ".go":
            return [go_binary(program)]
        return [*node_command(program)] if program.suffix == ".mjs" else [sys.executable, program]

    def shell(self, name: str) -> Program:
        """Run a sample in a shell."""
        if shutil.which("curl") is None:
            raise RuntimeError("curl is missing: run `apt-get install curl`")
        return self.start("bash", "-c", self.sample(name))

    def python(self, text: str) -> Program:
        """Run a program of Python."""
        return self.start(sys.executable, "-c", text)

    def node(self, text: str, *arguments: str) -> Program:
        """Run a module of JavaScript, which can import ``eventsource``."""
        program = self.folder(f"node-{len(self.started)}") / "main.mjs"
        program.write_text(text)
        return self.start(*node_command(program), *arguments)

    def go(self, name: str) -> Program:
        """Compile and run a sample."""
        source = self.folder(f"go-{len(self.started)}") / "main.go"
        source.write_text(self.sample(name))
        return self.start(go_binary(source))
