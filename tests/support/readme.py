"""The samples of README.md, as they are printed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Command", "commands", "languages", "programs"]

README = Path(__file__).parents[2] / "README.md"
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"\s+#\s.*$", re.MULTILINE)
_ENDLESS = re.compile(r"curl -N |tocsin tail\b")


@dataclass(frozen=True)
class Command:
    """A command for a shell, without its comment."""

    text: str
    answer: str = ""  # what README says that it prints, if it does

    @property
    def endless(self) -> bool:
        """Whether it goes on until somebody ends it."""
        return bool(_ENDLESS.search(self.text))

    def with_values(self, values: Mapping[str, str]) -> str:
        """Return the command with what the reader puts in the place of what is printed."""
        text = self.text
        for printed, real in values.items():
            text = text.replace(printed, real)
        return text


def commands() -> list[Command]:
    """Return the commands of all shell samples, in order."""
    found: list[Command] = []
    for text in programs("sh"):
        for line in text.replace("\\\n", " ").splitlines():
            if line.startswith("# "):
                found[-1] = Command(found[-1].text, line.removeprefix("# "))
            elif line:
                found.append(Command(re.sub(r" +", " ", _COMMENT.sub("", line))))
    return found


def programs(language: str) -> list[str]:
    """Return the samples in a language, in order."""
    return [text for found, text in _FENCE.findall(README.read_text()) if found == language]


def languages() -> set[str]:
    """Return the languages that there are samples in."""
    return {language for language, _ in _FENCE.findall(README.read_text())}
