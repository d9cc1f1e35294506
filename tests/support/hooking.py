"""Coding agents as their documents describe them: they run hooks before a call, and obey.

Claude Code: https://code.claude.com/docs/en/hooks, and ``onFailure`` of its changelog (2.1.295).
Codex: https://developers.openai.com/codex/hooks. Cursor: https://cursor.com/docs/agent/hooks.
Gemini CLI: https://geminicli.com/docs/hooks/reference. Of each, what a hook's failure does to the
call is what this is for.
"""

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

_VARIABLE = re.compile(r"\$\{?(\w+)\}?")


@dataclass(frozen=True)
class Call:
    """What became of a call: whether the tool ran, and whether a hook had decided about it."""

    ran: bool
    decided: bool
    said: str = ""

    @property
    def undecided(self) -> bool:
        """Whether it ran, and nobody had said that it may."""
        return self.ran and not self.decided


@dataclass
class CodingAgent:
    """A product with the settings that a file holds.

    ``meanwhile`` is told of a command's process as soon as it runs. ``knows_failures``: whether
    the version blocks what a hook with ``onFailure`` or ``failClosed`` does not answer.
    """

    product: str
    settings: Path
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    knows_failures: bool = True
    meanwhile: Callable[[subprocess.Popen[bytes]], None] | None = None
    longest_seconds: float = 60  # of a hook, whatever it is set to

    def call(self, payload: Mapping[str, Any]) -> Call:
        """Make a call of a tool: every hook of its event is run, and one no is enough."""
        answers = self.tell(payload)
        if not answers:
            return Call(True, False, "no hook")
        ran = all(answer.ran for answer in answers)
        return Call(ran, any(each.decided for each in answers), answers[0].said)

    def tell(self, payload: Mapping[str, Any]) -> list[Call]:
        """Run the hooks of an event."""
        body = json.dumps(payload).encode()
        return [self._hook(hook, body) for hook in self._hooks(payload["hook_event_name"])]

    def _hooks(self, event: str) -> list[dict[str, Any]]:
        listed = json.loads(self.settings.read_bytes())["hooks"].get(event, [])
        if self.product == "cursor":
            return list(listed)
        return [hook for group in listed for hook in group["hooks"]]

    def _hook(self, hook: dict[str, Any], body: bytes) -> Call:
        closed = hook.get("onFailure") == "block" or hook.get("failClosed") is True
        failed = Call(not (closed and self.knows_failures), False)
        seconds = hook["timeout"] / (1_000 if self.product == "gemini-cli" else 1)
        seconds = min(seconds, self.longest_seconds)
        if hook.get("type") == "http":
            return self._posted(hook, body, seconds, failed)
        with subprocess.Popen(  # noqa: S602 (as the products run it)
            hook["command"],
            shell=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **self.env},
            cwd=self.cwd,
            start_new_session=True,
        ) as process:
            if self.meanwhile:
                self.meanwhile(process)
            try:
                out, err = process.communicate(body, timeout=seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                return failed
        said = err.decode(errors="replace").strip()
        if process.returncode == 2:
            if self.product == "codex" and not said:
                return Call(True, False)
            return Call(False, True, said)
        return failed if process.returncode else self._answered(out, failed)

    def _posted(self, hook: dict[str, Any], body: bytes, seconds: float, failed: Call) -> Call:
        def filled(found: re.Match[str]) -> str:
            return self.env.get(found[1], "") if found[1] in hook["allowedEnvVars"] else ""

        headers = {name: _VARIABLE.sub(filled, text) for name, text in hook["headers"].items()}
        try:
            answer = httpx.post(
                hook["url"],
                content=body,
                headers={"Content-Type": "application/json"} | headers,
                timeout=seconds,
                follow_redirects=False,
            )
        except httpx.HTTPError:
            return failed
        return self._answered(answer.content, failed) if answer.is_success else failed

    def _answered(self, content: bytes, failed: Call) -> Call:
        if not content.strip():
            return Call(True, False, "nothing")
        try:
            said = json.loads(content)
        except ValueError:
            return failed
        if not isinstance(said, dict):
            return failed
        text = content.decode()
        if self.product == "cursor":
            permission = said.get("permission")
            if permission not in ("allow", "deny"):
                return failed
            return Call(permission == "allow", True, text)
        if self.product == "gemini-cli":
            return Call(said.get("decision") not in ("deny", "block"), "decision" in said, text)
        output = said.get("hookSpecificOutput", {})
        if self.product == "codex":
            if not said:  # left to its own approvals, which whoever allows it has to say so
                return Call(True, True, text)
            permitted = output.get("permissionDecision") or output.get("decision", {}).get(
                "behavior"
            )
            reason = output.get("permissionDecisionReason") or output.get("decision", {}).get(
                "message"
            )
            return Call(not (permitted == "deny" and reason), permitted == "deny", text)
        if "hookEventName" not in output:
            return Call(True, False, text)
        denied = "deny" in (
            output.get("permissionDecision"),
            output.get("decision", {}).get("behavior"),
        )
        return Call(not denied, True, text)
