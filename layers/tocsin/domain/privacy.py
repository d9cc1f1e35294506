"""What an org wants done with what its events say, before they are stored.

A change is an event, so the ledger says what held when.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

__all__ = ["SET", "KeptPrivacy", "Pii", "Privacy", "TagRule", "matches"]

SET: Final = "tocsin.privacy_set"
"""The type of the event that tells of a change; ``data`` is what was set."""


class Pii(StrEnum):
    """What becomes of personal data: it is said that it is there, masked, or its event refused."""

    FLAG = "flag"
    MASK = "mask"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class TagRule:
    """A ``compliance_tag`` for the events whose agent, tool and model are as these patterns say.

    ``*`` stands for any characters, or none; what a pattern other than ``*`` is asked of must be
    there.
    """

    tag: str
    agent: str = "*"
    tool: str = "*"
    model: str = "*"

    def fits(self, event: Mapping[str, Any]) -> bool:
        """Whether an event, in canonical spelling, is of this rule."""
        return all(
            pattern == "*" or (name in event and matches(pattern, event[name]))
            for pattern, name in (
                (self.agent, "agent_id"),
                (self.tool, "tool_name"),
                (self.model, "model"),
            )
        )


def matches(pattern: str, text: str) -> bool:
    """Whether a text is as a pattern, in which ``*`` is any characters, as Cedar's ``like`` has it.

    It takes each part where it first comes, so the work is linear in the text for each part.
    """
    first, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    *parts, last = rest
    if not text.startswith(first) or len(text) < len(first) + len(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in parts:
        at = text.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return text.endswith(last)


@dataclass(frozen=True, slots=True)
class Privacy:
    """How an org's events are changed as they come in; the first of the ``tags`` that fits holds.

    Credentials are masked whatever is set. ``erasable``: what events say of a person is stored so
    that it can be erased (:mod:`.subjects`).
    """

    pii: Pii = Pii.FLAG
    tags: Sequence[TagRule] = ()
    erasable: bool = False

    def tag_of(self, event: Mapping[str, Any]) -> str | None:
        """Return the tag of an event that has none, if a rule says so."""
        return next((rule.tag for rule in self.tags if rule.fits(event)), None)

    def as_data(self) -> dict[str, Any]:
        """Return it as the event's data has it, in words that JSON has."""
        return {
            "pii": str(self.pii),
            "tags": [
                {"tag": rule.tag, "agent": rule.agent, "tool": rule.tool, "model": rule.model}
                for rule in self.tags
            ],
            "erasable": self.erasable,
        }

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> "Privacy":
        """Return what :meth:`as_data` wrote.

        Raises:
            ValueError: nothing that it writes.
        """
        try:
            tags = tuple(TagRule(**rule) for rule in data["tags"])
            erasable = data.get("erasable", False)  # what an earlier version wrote has none
            if not isinstance(erasable, bool):
                raise TypeError(f"erasable is {erasable!r}")
            return cls(Pii(data["pii"]), tags, erasable)
        except (KeyError, TypeError) as error:
            raise ValueError(f"no privacy settings: {error!r}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPrivacy:
    """Settings, by whom and when (Unix ms) they were set; of an org that set none the usual ones.

    ``change`` names the batch that tells of the last change; empty: there was none.
    """

    org: str
    settings: Privacy = Privacy()
    by: str = ""
    at_ms: int = 0
    change: str = ""
