"""What an event says to the detectors."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import orjson

from tocsin.domain.calls import is_error
from tocsin.domain.detect.finding import Subject
from tocsin.domain.reports import Told
from tocsin.domain.times import time_ms

__all__ = ["DEFINITION", "GRACE_MS", "Observed", "subjects_of"]

DEFINITION: Final = "mcp.tool_definition"
"""The type of events that tell how an MCP server describes a tool."""

GRACE_MS: Final = 10_000
"""How long after its minute an event may be sealed and still be told of; how late one may come."""

_NAMES: Final = (
    *("agent_id", "session_id", "server_id", "tool_name", "model", "provider", "user_id", "run_id"),
)
_REASONS: Final = ("message", "reason", "error")
_FIGURES: Final = {"latency_ms": Told.LATENCY, "tokens": Told.TOKENS, "cost_usd": Told.COST}
_MAX_TEXTS: Final = 1_000
_RUN: Final = frozenset(
    {
        *("command", "cmd", "commands", "script", "code", "sql", "query", "statement", "args"),
        *("argv", "arguments", "input", "shell", "expression", "powershell", "bash"),
    }
)


@dataclass(frozen=True, slots=True)
class Observed:
    """An event as the detectors see it.

    ``at_ms`` is when it was received; of one that was imported, when its sender says it happened.
    It is ``late`` if its minute had been over for longer than the grace when it was sealed.
    ``begun``: it counts as a call; ``done``: it says how a call ended, for the first time or other
    than was said. ``earlier`` is what other reports told of the call; None: it is the first.
    """

    seq: int
    at_ms: int
    event: Mapping[str, Any]
    imported: bool
    late: bool
    begun: bool
    done: bool
    earlier: Told | None = None

    @classmethod
    def of(
        cls, seq: int, sealed_at_ms: int, event: Mapping[str, Any], earlier: Told | None = None
    ) -> "Observed":
        """Return what an event of a sender says, beyond what was told ``earlier`` of its call."""
        received_ms = time_ms(event["received_at"]) or 0
        imported = event.get("backfill") is True
        at_ms = received_ms
        if imported:
            at_ms = min(time_ms(event["timestamp"]) or received_ms, received_ms)
        late = sealed_at_ms > (at_ms // 60_000 + 1) * 60_000 + GRACE_MS and not imported
        call, direction = _is_call(event), event.get("direction")
        told = earlier or Told(0)
        new_end = Told.ENDED not in told or (is_error(event) and Told.FAILED not in told)
        return cls(
            seq,
            max(at_ms, 0),
            event,
            imported,
            late,
            begun=call and direction != "response" and earlier is None,
            done=call and direction != "request" and new_end,
            earlier=earlier,
        )

    @property
    def told(self) -> Told:
        """What is told of the call by now."""
        told = self.earlier or Told(0)
        for name in self.figures:
            told |= _FIGURES[name]
        told |= Told.ENDED if self.done else Told(0)
        told |= Told.FAILED if self.failed else Told(0)
        told |= Told.DENIED if self.denied else Told(0)
        return told | Told.ARGUED if self.event.get("request") else told

    @property
    def minute(self) -> int:
        """The window that it belongs to, since 1970."""
        return self.at_ms // 60_000

    @property
    def names(self) -> dict[str, str]:
        """What it names, as its fields have it."""
        return {name: self.event[name] for name in _NAMES if name in self.event}

    @property
    def denied(self) -> bool:
        """Whether a policy denied it."""
        return self.event.get("action") == "deny"

    @property
    def failed(self) -> bool:
        """Whether its status tells of an error."""
        return is_error(self.event)

    @property
    def figures(self) -> dict[str, float]:
        """Its ``latency_ms``, ``tokens`` and ``cost_usd``: those above 0 that no earlier told."""
        event, told = self.event, self.earlier or Told(0)
        if event.get("direction") == "request" or not _is_call(event):
            return {}
        tokens = event.get("total_tokens") or (
            event.get("prompt_tokens", 0) + event.get("completion_tokens", 0)
        )
        found = {
            "latency_ms": event.get("latency_ms", 0),
            "tokens": tokens,
            "cost_usd": event.get("cost_usd", 0),
        }
        return {
            name: float(value)
            for name, value in found.items()
            if value > 0 and _FIGURES[name] not in told
        }

    def reasons(self) -> str:
        """Return what is said of why it was denied, in lower case."""
        found = []
        for part in ("decision", "metadata", "data", "request"):
            holder = self.event.get(part)
            if isinstance(holder, Mapping):
                found += [holder[name] for name in _REASONS if isinstance(holder.get(name), str)]
        return " ".join(found).lower()

    def texts(self) -> Iterator[str]:
        """Yield what would be run: commands, statements and code; no documents that are written.

        An argument list is one text. Of a call with very many texts the first thousand.
        """
        left: list[tuple[Any, bool]] = [(self.event.get("request"), True)]
        found = 0
        while left and found < _MAX_TEXTS:
            item, runs = left.pop()
            if isinstance(item, str) and runs:
                found += 1
                yield item
            elif isinstance(item, Mapping):
                left += [(value, name.lower() in _RUN) for name, value in item.items()]
            elif isinstance(item, list):
                texts = [each for each in item[:_MAX_TEXTS] if isinstance(each, str)]
                left += [(" ".join(texts), runs)] if texts else []
                left += [
                    (each, runs) for each in item[:_MAX_TEXTS] if isinstance(each, dict | list)
                ]

    def fingerprint(self) -> bytes:
        """Return 8 bytes that stand for the call: the same tool with the same arguments.

        Empty where nothing is known of its arguments. Of arguments that were not recorded a
        recorder can give a keyed hash instead: ``metadata.arguments_fingerprint``.
        """
        event, metadata = self.event, self.event.get("metadata")
        said = metadata.get("arguments_fingerprint") if isinstance(metadata, Mapping) else None
        arguments = said if isinstance(said, str) else event.get("request")
        if not arguments:
            return b""
        call = (event.get("server_id"), event.get("tool_name"), arguments)
        return sha256(orjson.dumps(call)).digest()[:8]


def _is_call(event: Mapping[str, Any]) -> bool:
    return event["type"] != DEFINITION and ("tool_name" in event or "model" in event)


def subjects_of(event: Mapping[str, Any]) -> Iterator[Subject]:
    """Yield whose behaviour an event shows, each once."""
    if "agent_id" in event:
        yield Subject("agent", event["agent_id"])
    if "tool_name" in event:
        yield Subject("tool", event["tool_name"], event.get("server_id", ""))
    if "model" in event:
        yield Subject("model", event["model"], event.get("provider", ""))
