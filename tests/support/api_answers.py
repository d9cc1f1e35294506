"""An API that answers what it is told to, to both clients."""

from typing import Any

import httpx


class Server:
    """Answers in turn, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any] | httpx.TransportError] = []
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, httpx.TransportError):
            raise answer
        status, body = answer
        headers = body.pop("headers", {}) if isinstance(body, dict) else {}
        return httpx.Response(status, json=body, headers=headers)

    @property
    def paths(self) -> list[str]:
        return [f"{each.method} {each.url.raw_path.decode()}" for each in self.asked]
