"""What each coding agent's settings hold of Tocsin: where they are, and the entry of each hook.

Only names of hooks are written that any version knows which is in use: one that a version does not
know can make it pass over the whole file.
"""

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from tocsin.cli.hooks.shim import DEFAULT_SECONDS
from tocsin.domain.limits import HOOK_WAIT_SECONDS
from tocsin.wire.intake.hooks.asking import ASKING, asks

__all__ = ["FAILS_CLOSED", "Found", "Wanted", "entries", "found_in", "settings_path"]

type Version = tuple[int, ...]

FAILS_CLOSED: Final[Version] = (2, 1, 295)
"""From here on Claude Code blocks what a hook with ``onFailure: "block"`` fails to answer:
https://github.com/anthropics/claude-code/blob/main/CHANGELOG.md."""

_CURSOR_PRE_TOOL_USE: Final[Version] = (2,)

_RECORDED: Final[Mapping[str, tuple[str, ...]]] = {
    "claude-code": (
        *("SessionStart", "UserPromptSubmit", "PostToolUse", "Notification", "PreCompact"),
        *("SubagentStop", "Stop", "SessionEnd"),
    ),
    "codex": ("SessionStart", "UserPromptSubmit", "PostToolUse", "Stop"),
    "cursor": ("beforeSubmitPrompt", "afterFileEdit", "stop"),
    "gemini-cli": (
        *("SessionStart", "BeforeAgent", "AfterTool", "AfterAgent", "Notification"),
        *("PreCompress", "SessionEnd"),
    ),
}
# WorktreeCreate is left out, since a hook takes the place of what makes the worktree; so is
# MessageDisplay, which is of every piece of an answer.
_LATER: Final = (
    *("PostToolUseFailure", "PermissionDenied", "SubagentStart", "StopFailure", "PostCompact"),
    *("InstructionsLoaded", "ConfigChange", "TaskCreated", "TaskCompleted"),
)
_COMMANDS_ONLY: Final = frozenset({"SessionStart"})
_HOOK_SECONDS: Final = DEFAULT_SECONDS + 60
_RECORD_SECONDS: Final = 15
_FAILED: Final = "tocsin: the hook failed: the call is not made"
_OURS: Final = re.compile(r"\btocsin(?:\.cli)?['\"]? hook ([a-z-]+)(?: |$)")
_ROUTE: Final = re.compile(r"/v1/hooks/([a-z-]+)(?:\?|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be set up. ``program`` is how a shell starts ``tocsin``.

    ``version`` is the product's, if it is known; ``http``: without a command where that can be.
    """

    product: str
    url: str
    program: str
    agent: str = ""
    grant: bool = False
    version: Version | None = None
    http: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A hook of Tocsin's in a product's settings, and where it stands."""

    event: str
    hook: Mapping[str, Any]
    path: tuple[str | int, ...]


def settings_path(product: str, project: Path | None) -> Path:
    """Return the settings of a product: a project's, or else the user's."""
    if product == "claude-code":
        own = Path(os.environ.get("CLAUDE_CONFIG_DIR") or Path.home() / ".claude")
        return (project / ".claude" if project else own) / "settings.json"
    if product == "codex":
        own = Path(os.environ.get("CODEX_HOME") or Path.home() / ".codex")
        return (project / ".codex" if project else own) / "hooks.json"
    if product == "cursor":
        return (project or Path.home()) / ".cursor" / "hooks.json"
    return (project or Path.home()) / ".gemini" / "settings.json"


def entries(wanted: Wanted) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each event with what stands in its list."""
    for event in (*_asking(wanted), *_recorded(wanted)):
        waits = asks(wanted.product, event)
        if wanted.product == "cursor":
            hook: dict[str, Any] = {"command": _command(wanted, waits=waits)}
            hook["timeout"] = _HOOK_SECONDS if waits else _RECORD_SECONDS
            yield event, hook | ({"failClosed": True} if waits else {})
        elif wanted.product == "claude-code":
            yield event, {"hooks": [_of_claude_code(wanted, event, waits=waits)]}
        else:
            seconds = _HOOK_SECONDS if waits else _RECORD_SECONDS
            scale = 1_000 if wanted.product == "gemini-cli" else 1
            named = {"name": "tocsin"} if wanted.product == "gemini-cli" else {}
            hook = {"type": "command", "command": _command(wanted, waits=waits)}
            yield event, {"hooks": [{**named, **hook, "timeout": seconds * scale}]}


def found_in(product: str, settings: Mapping[str, Any]) -> list[Found]:
    """Return Tocsin's hooks in a product's settings."""
    return [each for each in _hooks(settings) if _is_ours(product, each.hook)]


def _hooks(settings: Mapping[str, Any]) -> Iterator[Found]:
    events = settings.get("hooks")
    for event, listed in events.items() if isinstance(events, dict) else ():
        for at, entry in enumerate(listed if isinstance(listed, list) else ()):
            if not isinstance(entry, dict):
                continue
            inner = entry.get("hooks")
            if isinstance(inner, list):
                for place, hook in enumerate(inner):
                    if isinstance(hook, dict):
                        yield Found(event, hook, ("hooks", event, at, "hooks", place))
            else:
                yield Found(event, entry, ("hooks", event, at))


def _is_ours(product: str, hook: Mapping[str, Any]) -> bool:
    command, url = hook.get("command"), hook.get("url")
    said = _OURS.search(command) if isinstance(command, str) else None
    if said is None and isinstance(url, str):
        said = _ROUTE.search(url)
    return said is not None and said[1] == product


def _asking(wanted: Wanted) -> tuple[str, ...]:
    if wanted.product == "cursor":
        version = wanted.version or _CURSOR_PRE_TOOL_USE
        if version >= _CURSOR_PRE_TOOL_USE:
            return ("preToolUse",)
        return ("beforeShellExecution", "beforeMCPExecution", "beforeReadFile")
    return tuple(sorted(ASKING[wanted.product], reverse=True))


def _recorded(wanted: Wanted) -> tuple[str, ...]:
    known = _RECORDED[wanted.product]
    if wanted.product == "claude-code" and (wanted.version or ()) >= FAILS_CLOSED:
        return (*known, *_LATER)
    if wanted.product == "cursor" and _asking(wanted) == ("preToolUse",):
        return ("postToolUse", "postToolUseFailure", *known)
    return known


def _of_claude_code(wanted: Wanted, event: str, *, waits: bool) -> dict[str, Any]:
    closed = {"onFailure": "block"} if waits else {}
    if wanted.http and event not in _COMMANDS_ONLY:
        options = {
            **({"agent": wanted.agent} if wanted.agent else {}),
            **({"grant": "true"} if wanted.grant else {}),
        }
        return {
            "type": "http",
            "url": f"{wanted.url}/v1/hooks/claude-code{'?' * bool(options)}{urlencode(options)}",
            "headers": {"Authorization": "Bearer $TOCSIN_API_KEY"},
            "allowedEnvVars": ["TOCSIN_API_KEY"],
            "timeout": HOOK_WAIT_SECONDS + 10 if waits else _RECORD_SECONDS,
            **closed,
        }
    seconds = _HOOK_SECONDS if waits else _RECORD_SECONDS
    command = _command(wanted, waits=waits)
    return {"type": "command", "command": command, "timeout": seconds, **closed}


def _command(wanted: Wanted, *, waits: bool) -> str:
    """Return a command line that ends with 2 whatever becomes of the program, if a call waits."""
    words = ["hook", wanted.product, "--url", wanted.url]
    words += ["--agent", wanted.agent] if wanted.agent else []
    words += ["--grant"] if wanted.grant and waits else []
    line = f"{wanted.program} {shlex.join(words)}"
    if not waits:
        return line
    return f"{line} || {{ [ $? -eq 2 ] || echo '{_FAILED}' >&2; exit 2; }}"
