"""What ``tocsin hook`` asks Tocsin, with nothing but the standard library: it starts in no time."""

import json
import time
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

__all__ = ["Asking", "NoAnswer"]

_MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
_LONGEST_WAIT_SECONDS: Final = 55  # of one request for a decision
_PAUSE_SECONDS: Final = 1.0
_TRIES: Final = 3  # of the last question: a person has answered, which should not be lost


class NoAnswer(Exception):
    """Tocsin has not said what becomes of it; the message says why, and what to do."""


class _Straight(HTTPRedirectHandler):
    """Follows nothing: the key is for one address alone."""

    def redirect_request(self, *_: Any) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks about one payload until ``ends_at`` (of the monotonic clock)."""

    url: str
    product: str
    payload: bytes
    ends_at: float
    api_key: str = field(repr=False)
    agent: str = ""
    grant: bool = False

    def answer(self) -> dict[str, Any]:
        """Return what Tocsin says, after a person has answered if one is asked.

        Raises:
            NoAnswer: it says nothing that can be understood, or not in time.
        """
        said = self._post()
        while said.get("decision") == "ask":
            id = said.get("approval_id")
            if not isinstance(id, str):
                raise NoAnswer("Tocsin's answer names no approval: are both of one version?")
            self._wait(id)
            said = self._post_again(id)
        return said

    @property
    def left_seconds(self) -> float:
        """How long there still is."""
        return self.ends_at - time.monotonic()

    def _post(self, approval: str = "") -> dict[str, Any]:
        options = {
            "hold": str(max(10, min(3600, int(self.left_seconds)))),
            **({"agent": self.agent} if self.agent else {}),
            **({"grant": "true"} if self.grant else {}),
            **({"approval": approval} if approval else {}),
        }
        return self._said(f"/v1/hooks/{self.product}?{urlencode(options)}", self.payload)

    def _post_again(self, id: str) -> dict[str, Any]:
        for _ in range(_TRIES - 1):
            try:
                return self._post(id)
            except NoAnswer:
                self._pause(id)
        return self._post(id)

    def _wait(self, id: str) -> None:
        """Wait until an approval is decided, whatever comes between."""
        while True:
            seconds = max(0, min(_LONGEST_WAIT_SECONDS, int(self.left_seconds)))
            path = f"/v1/approvals/{quote(id, safe='')}/decision?wait={seconds}"
            try:
                status = self._said(path).get("status")
            except NoAnswer:
                status = None
            if isinstance(status, str) and status != "pending":
                return
            self._pause(id)

    def _pause(self, id: str) -> None:
        if self.left_seconds <= _PAUSE_SECONDS:
            raise NoAnswer(f"nobody has answered the approval {id} in time")
        time.sleep(_PAUSE_SECONDS)

    def _said(self, path: str, body: bytes | None = None) -> dict[str, Any]:
        request = Request(  # noqa: S310 (http or https: see the settings)
            self.url + path,
            body,
            {
                "Authorization": f"Bearer {self.api_key}",
                "Content-Type": "application/json",
                "User-Agent": "tocsin-hook",
            },
        )
        try:
            with build_opener(_Straight).open(request, timeout=max(1, self.left_seconds)) as came:
                content = came.read(_MAX_ANSWER_BYTES + 1)
            said = json.loads(content) if len(content) <= _MAX_ANSWER_BYTES else None
        except HTTPError as error:
            raise NoAnswer(_refused(error)) from error
        except (ValueError, RecursionError) as error:
            raise NoAnswer(f"{self.url} does not answer as Tocsin does") from error
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise NoAnswer(f"{self.url} is out of reach ({reason})") from error
        if not isinstance(said, dict):
            raise NoAnswer(f"{self.url} does not answer as Tocsin does")
        return said


def _refused(error: HTTPError) -> str:
    try:
        said = json.loads(error.read(65_536)).get("error")
    except (OSError, HTTPException, ValueError, AttributeError, RecursionError):
        said = None
    why = said if isinstance(said, str) else error.reason
    advice = ": is the key right?" if error.code in (401, 403) else ""
    return f"Tocsin refuses it with {error.code} ({why}){advice}"
