"""What an event says of a call, and how a request and its response are one.

A call counts with its first event. If that was a request and its response comes, the response
stands for both: what the request counted is taken back where it was counted, and what both say
together is counted where the response belongs. Where both say the same thing, it is the response's.
Of further reports of a call (:mod:`.reports`) counts what no earlier one said.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final

import orjson

from tocsin.domain.limits import MAX_SAFE_INTEGER, RETENTION_DAYS
from tocsin.domain.reports import Told
from tocsin.domain.retention import DAY_MS
from tocsin.domain.times import iso_ms, moment_of, ms_of

__all__ = ["NAMED", "Call", "Pending", "figures", "is_call", "is_error", "link_of"]

NAMED: Final = {
    "agent": "agent_id",
    "model": "model",
    "tool": "tool_name",
    "provider": "provider",
}
"""What calls are broken down by, and the event's field that names it."""

_NAMED: Final = NAMED | {"user": "user_id"}

_TOKENS: Final = ("prompt_tokens", "completion_tokens", "total_tokens")
_MOST: Final = dict.fromkeys(_TOKENS, MAX_SAFE_INTEGER) | {"cost_usd": 10**9, "latency_ms": 10**9}
_LINKS: Final = ("tool_call_id", "span_id", "prompt_id", "trace_id")
_HELD: Final = frozenset({"deny", "ask"})
_MAX_PENDING: Final = 8  # requests of a session: an item stays small
_ERRORS: Final = frozenset({"error", "errored", "failed", "failure", "timeout", "cut_off"})


@dataclass(frozen=True, slots=True)
class Call:
    """Where a call is counted, and what was said of it.

    ``day`` and ``hour`` are of its event's timestamp in UTC, ``month`` of its receipt. ``names``
    has those of :data:`NAMED` that were named, and ``user``. ``held`` is the action of a call that
    was not made, as far as is known: ``deny``, or ``ask``, since what is approved comes once more.
    """

    month: str
    day: str
    hour: int
    names: dict[str, str]
    said: dict[str, float]
    held: str = ""

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> "Call":
        """Return what an event says.

        A timestamp that is ahead of the receipt, or older than any journal keeps by default, is
        of a clock that is wrong: then the receipt's time is taken.
        """
        at, received_at = event["timestamp"], event["received_at"]
        if not _oldest(received_at) <= at <= received_at:
            at = received_at
        names = {kind: name for kind, field in _NAMED.items() if (name := event.get(field))}
        said = {
            field: max(-most, min(event[field], most))  # a table's numbers end at 38 digits
            for field, most in _MOST.items()
            if field in event
        }
        action = event.get("action", "")
        held = action if action in _HELD else ""
        return cls(received_at[:7], at[:10], int(at[11:13]), names, said, held)

    def told(self, event: Mapping[str, Any], earlier: Told) -> Told:
        """Return what is told of the call by this event, and was by ``earlier`` ones.

        What a request says is not told yet: its response says it anew.
        """
        told = earlier & ~Told.ASKED
        if event.get("direction") != "request":
            told |= Told.ENDED
            told |= Told.TOKENS if not self.said.keys().isdisjoint(_TOKENS) else Told(0)
            told |= Told.COST if "cost_usd" in self.said else Told(0)
            told |= Told.LATENCY if "latency_ms" in self.said else Told(0)
        told |= Told.FAILED if is_error(event) else Told(0)
        told |= Told.DENIED if self.held == "deny" else Told(0)
        return told | Told.ASKED if self.held == "ask" else told

    def untold(self, earlier: Told) -> "Call":
        """Return the call without those figures that were told before."""
        told = {"cost_usd": Told.COST, "latency_ms": Told.LATENCY} | dict.fromkeys(
            _TOKENS, Told.TOKENS
        )
        said = {name: value for name, value in self.said.items() if not told[name] & earlier}
        return replace(self, said=said)

    def answered(self, response: "Call") -> "Call":
        """Return the whole call of a request, with its response."""
        said = self.said | response.said
        if "total_tokens" not in response.said and not response.said.keys().isdisjoint(_TOKENS):
            said.pop("total_tokens", None)  # that was of the request alone
        names = self.names | response.names
        held = response.held if self.held == "ask" else self.held
        return Call(response.month, response.day, response.hour, names, said, held)


class Pending:
    """The requests of one session that have no response yet, the oldest first.

    There are as many as an item can hold: the oldest of more is taken for one without response.
    """

    def __init__(self, text: str = "") -> None:
        """Read what :meth:`text` wrote."""
        self._calls: list[tuple[str, Call]] = [
            (link, Call(*fields)) for link, *fields in orjson.loads(text or "[]")
        ]

    def text(self) -> str:
        """Return them as text that an item can hold."""
        rows = [
            (link, c.month, c.day, c.hour, c.names, c.said, *([c.held] if c.held else []))
            for link, c in self._calls
        ]
        return orjson.dumps(rows).decode() if rows else ""

    def ask(self, link: str, request: Call) -> None:
        """Add a request."""
        self._calls.append((link, request))
        del self._calls[:-_MAX_PENDING]

    def answer(self, link: str) -> Call | None:
        """Take out the last request that a response with this link can belong to."""
        for place in reversed(range(len(self._calls))):
            if self._calls[place][0] == link:
                return self._calls.pop(place)[1]
        return None


def is_call(event: Mapping[str, Any]) -> bool:
    """Whether an event tells of a call: those with a namespace, as in ``auth.signin``, may not."""
    names = ("tool_name", "model", "direction")
    return "." not in event.get("type", "") or any(name in event for name in names)


def link_of(event: Mapping[str, Any]) -> str:
    """Return what a request and its response have in common, within their session.

    It is their agent, and the first that they have of a tool call, a span, a prompt and a trace.
    """
    link = next(((name, event[name]) for name in _LINKS if name in event), None)
    return sha256(orjson.dumps((event.get("agent_id"), link))).hexdigest()[:16]


def figures(call: Call) -> dict[str, int]:
    """Return a call's counters: integers, so that sums stay exact.

    Money is in nano-dollars, time in microseconds; ``timed`` counts the calls whose time is known.
    """
    said = call.said
    prompt, completion = said.get("prompt_tokens", 0), said.get("completion_tokens", 0)
    latency_ms = said.get("latency_ms")
    return {
        "calls": 1,
        "held_calls": int(bool(call.held)),
        "prompt_tokens": int(prompt),
        "completion_tokens": int(completion),
        "total_tokens": int(said.get("total_tokens", prompt + completion)),
        "cost_nano_usd": round(said.get("cost_usd", 0) * 10**9),
        "latency_us": round((latency_ms or 0) * 1_000),
        "timed": int(latency_ms is not None),
    }


def is_error(event: Mapping[str, Any]) -> bool:
    """Whether an event's ``status`` tells of an error: a word for it, or HTTP's from 400 on."""
    status = event.get("status", "").lower()
    return status in _ERRORS or (status.isdecimal() and 400 <= int(status[:4]) < 600)


def _oldest(received_at: str) -> str:
    return iso_ms(ms_of(moment_of(received_at)) - RETENTION_DAYS * DAY_MS)
