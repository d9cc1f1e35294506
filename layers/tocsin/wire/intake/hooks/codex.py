"""Codex' hooks: https://developers.openai.com/codex/hooks.

They are Claude Code's but for the answers: a field that Codex does not know makes a hook a failed
one, and then the tool runs. So an allowed call is answered with ``{}``, which leaves it to Codex'
own approvals, and a denied one with what ``pre-tool-use.command.output.schema.json`` of
https://github.com/openai/codex names. ``notify`` programs get ``type`` and no ``hook_event_name``.
"""

from collections.abc import Mapping
from typing import Any, Final

from tocsin.wire.intake.hooks.claude_code import after, asked, other
from tocsin.wire.intake.hooks.hook import Hook, Product, Ruling, Whose
from tocsin.wire.intake.hooks.payload import Payload

__all__ = ["CODEX"]

_NAME: Final = "codex"


def _read(payload: Payload, whose: Whose) -> Hook:
    name = payload.text("hook_event_name") or payload.text("type")
    if name in ("PreToolUse", "PermissionRequest"):
        return asked(_NAME, name, payload, whose)
    if name == "PostToolUse":
        return after(_NAME, name, payload, whose, "ok")
    return other(_NAME, name, payload, whose)


def _ruled(name: str, ruling: Ruling) -> Mapping[str, Any]:
    if name == "PreToolUse":
        if ruling.allowed:
            return {}
        said: dict[str, Any] = {
            "permissionDecision": "deny",
            "permissionDecisionReason": ruling.message,
        }
    elif not ruling.allowed:
        said = {"decision": {"behavior": "deny", "message": ruling.message}}
    elif ruling.granted:
        said = {"decision": {"behavior": "allow"}}
    else:
        return {}
    return {"hookSpecificOutput": {"hookEventName": name, **said}}


def _noted(_: str) -> Mapping[str, Any]:
    return {}


CODEX: Final = Product(_NAME, _read, _ruled, _noted)
