"""Running an installed hook as its product does, to see whether a call would be held.

What follows from an answer, an exit status or a failure is what the products' documents say:
https://code.claude.com/docs/en/hooks, https://developers.openai.com/codex/hooks,
https://cursor.com/docs/agent/hooks and https://geminicli.com/docs/hooks/reference.
"""

import json
import os
import re
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["CANARY_PAYLOADS", "Held", "fired"]

_CANARY: Final = "tocsin.canary"
_SESSION: Final = "tocsin-doctor"
CANARY_PAYLOADS: Final[Mapping[str, Mapping[str, Any]]] = {
    "claude-code": {"session_id": _SESSION, "tool_input": {}, "tool_use_id": "canary"},
    "codex": {"session_id": _SESSION, "tool_input": {}, "tool_use_id": "canary"},
    "cursor": {
        "conversation_id": _SESSION,
        "tool_input": {},
        "tool_use_id": "canary",
        "command": _CANARY,
        "file_path": _CANARY,
    },
    "gemini-cli": {"session_id": _SESSION, "tool_input": {}},
}
"""What a product says before a call; the tool is one that Tocsin denies whatever policies say."""

_VARIABLE: Final = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_MAX_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Held:
    """Whether a call was held, and why; what was held by a failure is not ``decided``."""

    held: bool
    decided: bool
    why: str


def fired(product: str, event: str, hook: Mapping[str, Any]) -> Held:
    """Run a hook with a call of the canary, and return what became of it."""
    payload = json.dumps(
        {
            **CANARY_PAYLOADS[product],
            "hook_event_name": event,
            "tool_name": _CANARY,
            "cwd": os.getcwd(),
        }
    ).encode()
    closed = hook.get("onFailure") == "block" or hook.get("failClosed") is True
    if hook.get("type") == "http":
        return _posted(hook, payload, closed=closed)
    return _ran(product, hook, payload, closed=closed)


def _ran(product: str, hook: Mapping[str, Any], payload: bytes, *, closed: bool) -> Held:
    command = str(hook.get("command"))
    with subprocess.Popen(  # noqa: S602 (as the product runs it)
        command,
        shell=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(payload, timeout=_MAX_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return Held(closed, False, "the hook did not end")
    said = " ".join(err.decode(errors="replace").split())
    if process.returncode == 2:
        return Held(product != "codex" or bool(said), _CANARY in said, said or "it ended with 2")
    if process.returncode != 0:
        return Held(closed, False, said or f"it ended with {process.returncode}")
    return _answered(out, closed=closed)


def _posted(hook: Mapping[str, Any], payload: bytes, *, closed: bool) -> Held:
    import httpx

    allowed = hook.get("allowedEnvVars") or []

    def filled(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        return os.environ.get(name, "") if name in allowed else ""

    headers = {
        str(name): _VARIABLE.sub(filled, str(value))
        for name, value in (hook.get("headers") or {}).items()
    }
    try:
        answer = httpx.post(
            str(hook.get("url")),
            content=payload,
            headers={"Content-Type": "application/json", **headers},
            timeout=min(float(hook.get("timeout") or _MAX_SECONDS), _MAX_SECONDS),
            follow_redirects=False,
        )
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeEncodeError) as error:
        return Held(closed, False, f"no answer ({error})")
    if not answer.is_success:
        hint = ""
        if answer.status_code == 401 and "TOCSIN_API_KEY" not in os.environ:
            hint = ": TOCSIN_API_KEY is not in this environment"
        return Held(closed, False, f"it was answered with {answer.status_code}{hint}")
    return _answered(answer.content, closed=closed)


def _answered(content: bytes, *, closed: bool) -> Held:
    if not content.strip():
        return Held(False, False, "the answer is empty")
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return Held(closed, False, "the answer is no JSON")
    if not isinstance(said, dict):
        return Held(closed, False, "the answer is no JSON object")
    output = said.get("hookSpecificOutput")
    output = output if isinstance(output, dict) else {}
    decision = output.get("decision")
    behavior = decision.get("behavior") if isinstance(decision, dict) else None
    no = {output.get("permissionDecision"), behavior, said.get("permission"), said.get("decision")}
    held = not no.isdisjoint({"deny", "block"})
    return Held(held, held and _CANARY in content.decode(errors="replace"), "it was answered")
