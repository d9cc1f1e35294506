"""Plays the demo's story: sends its events, has its calls decided, tells what comes of them."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from tocsin.cli.demo.story import AGENTS, LOOPING, Beat

if TYPE_CHECKING:
    from tocsin.client import Anomaly, Client

__all__ = ["Playing", "alerts", "new_alerts"]

_LOOK_SECONDS: Final = 0.5


class Playing:
    """One showing. ``client`` has the agents' key; ``tell`` takes what the viewer should know.

    ``ask_viewer`` is given an approval's id when a person is to be asked, and says how to answer.
    """

    def __init__(
        self,
        client: "Client",
        tell: Callable[[str], None],
        pause: Callable[[float], None],
        ask_viewer: Callable[[str], None],
    ) -> None:
        self._client = client
        self._tell = tell
        self._pause = pause
        self._ask_viewer = ask_viewer
        self._waiting: tuple[Beat, str] | None = None

    def play(self, beats: Sequence[Beat], wait_seconds: float) -> None:
        """Play them all; wait at most so long, at the end, for an answer that nobody gave yet.

        Raises:
            ApiError: Tocsin refused something.
            httpx.TransportError: Tocsin can't be reached.
        """
        at = 0.0
        for beat in beats:
            self._pause(beat.at_seconds - at)
            at = beat.at_seconds
            if self._waiting:
                self._look(self._client.approval(self._waiting[1]).approved)
            if beat.params is None:
                self._client.send([beat.event])
                self._say(beat, beat.line)
            else:
                self._decided(beat)
        if self._waiting:
            beat, id = self._waiting
            if wait_seconds >= 1:
                self._tell(f"The rest waits {wait_seconds:.0f} seconds for your answer to {id}.")
            self._look(self._client.decision(id, wait_seconds).approved)
        if self._waiting:
            self._say(beat, f"goes on without an answer; {id} expires by itself")

    def _decided(self, beat: Beat) -> None:
        """Have Tocsin decide about a call, by the org's own policies, whatever these say."""
        said = self._call(beat)
        decision, why = said["decision"], said.get("message") or "by no policy"
        if decision == "ask":
            self._say(beat, f"{beat.line} → asks a person ({why})")
            self._waiting = beat, said["approval_id"]
            self._ask_viewer(said["approval_id"])
        else:
            self._said(beat, made=bool(said["allowed"]), why=why)

    def _look(self, approved: bool | None) -> None:
        """Go on with the call that waits, once somebody has answered."""
        if self._waiting is None or approved is None:
            return
        beat, _ = self._waiting
        self._waiting = None
        said = self._call(beat)  # the very call again: an approval is for one, and used up by it
        self._said(beat, made=bool(said["allowed"]), why=said.get("message") or "by no policy")

    def _said(self, beat: Beat, *, made: bool, why: str) -> None:
        if made:
            self._client.send([beat.event])
            self._say(beat, f"{beat.line} → {beat.event['data']['result']} (allowed: {why})")
        else:
            self._say(beat, f"{beat.line} → not made: {why}")

    def _call(self, beat: Beat) -> dict[str, Any]:
        from tocsin.client import ApiError

        event = beat.event
        body = {
            "agent": beat.agent,
            "session": event["session_id"],
            "tool_call_id": event["tool_call_id"],
            "params": beat.params,
        }
        path = f"/v1/tool/{quote(event['tool_name'], safe='')}"
        try:
            said = self._client.call("POST", path, body=body)
        except ApiError as error:  # a denial is 403, with what was decided
            said = _decision(error)
            if said is None:
                raise
        return dict(said)

    def _say(self, beat: Beat, line: str) -> None:
        minutes, seconds = divmod(int(beat.at_seconds), 60)
        self._tell(f"{minutes}:{seconds:02}  {beat.agent:15}  {line}")


def alerts(client: "Client") -> set[str] | None:
    """Return the ids of the alerts that there are; None: this key may not see them."""
    from tocsin.client import ApiError

    try:
        return {each.id for each in client.anomalies()}
    except ApiError as error:
        if error.status != 403:
            raise
        return None


def new_alerts(client: "Client", before: set[str], wait_seconds: float) -> "Sequence[Anomaly]":
    """Return the alerts about these agents that came since, the oldest first.

    The one about the loop is waited for, at most so long.
    """
    until = time.monotonic() + wait_seconds
    while True:
        found = [each for each in reversed(client.anomalies()) if each.id not in before]
        of = {each.id: each.fields.get("subject", {}).get("agent_id") for each in found}
        if LOOPING in of.values() or time.monotonic() >= until:
            return [each for each in found if of[each.id] in AGENTS]
        time.sleep(_LOOK_SECONDS)


def _decision(error: Any) -> dict[str, Any] | None:
    try:
        said = error.response.json()
    except ValueError:
        return None
    return said if isinstance(said, dict) and "decision" in said else None
