"""An event as one line for a terminal."""

from typing import Final

from rich.text import Text

from tocsin.cli._output import escaped
from tocsin.client import Event

__all__ = ["line"]

_TYPES: Final = {
    "tool_call": "cyan",
    "completion": "blue",
    "embedding": "blue",
    "anomaly": "bold red",
    "session_update": "magenta",
}
_ACTIONS: Final = {
    "allow": "green",
    "deny": "bold red",
    "alert": "bold yellow",
    "log": "dim",
    "ask": "yellow",
    "watch": "cyan",
}
_OUTCOMES: Final = {"ok": "green", "tool_error": "yellow", "error": "red", "no_response": "red"}


def line(event: Event) -> Text:
    """Return ``event`` on one line: seq, time (UTC), type, action, tool, what of it, who."""
    fields, text = event.fields, Text(no_wrap=True)

    def add(value: object, style: str = "", width: int = 0) -> None:
        shown = "" if value is None else escaped(str(value))  # agents wrote it
        if shown or width:
            text.append(f"{shown:<{width}}  ", style)

    text.append(f"{event.seq:>7}  ", "dim")
    add(event.timestamp[11:23], "dim", 12)
    kind = event.type.partition(".")[0]
    add(event.type, _TYPES.get(event.type, "yellow" if kind == "approval" else "white"), 10)
    add(event.action, _ACTIONS.get(event.action or "", ""), 5)
    place = f"{fields['server_id']}/" if fields.get("server_id") else ""
    add(f"{place}{event.tool_name or '-'}", "bold", 28)
    if event.type == "anomaly":
        data = fields.get("data")
        add(fields.get("anomaly_type"), "red")
        add(data.get("description") if isinstance(data, dict) else None)
    outcome = event.metadata.get("outcome")
    add(outcome, _OUTCOMES.get(str(outcome), ""))
    if isinstance(fields.get("latency_ms"), int | float):
        add(f"{fields['latency_ms']:g} ms", "dim")
    add(event.agent_id, "magenta")
    add(event.session_id, "dim")
    text.rstrip()
    return text
