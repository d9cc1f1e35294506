"""MiniStack, for those who have the run's access key.

A script for MiniStack's own environment, so it imports nothing of Tocsin:
``python -I emulator.py``, with MiniStack's settings in the environment and ``TOCSIN_EMULATOR_KEY``.

MiniStack checks no signature and tells every web page that it may call (CORS), and the AWS SDK
speaks no unix sockets. So this stands before it, in its process: a request names the key as its
access key, the server as ``Host``, and no ``Origin``. A web page knows no key, whatever name it
has given to this address (DNS rebinding).
"""

import importlib
import os
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from hmac import compare_digest
from typing import Any

__all__ = ["KEY", "Guard"]

KEY = "TOCSIN_EMULATOR_KEY"

type Message = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type App = Callable[[Message, Receive, Send], Awaitable[None]]

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-signing-elements.html
_CREDENTIAL = re.compile(rb"AWS4-HMAC-SHA256 Credential=([^/,\s]+)/")
_REFUSAL = (
    b'{"__type":"com.amazon.coral.service#UnrecognizedClientException","message":'
    b'"this is the DynamoDB of `tocsin up`: the access key is in its local.json"}'
)


class Guard:
    """An ASGI application before another one."""

    def __init__(self, app: App, key: str, hosts: Iterable[str]) -> None:
        """``hosts`` are the values of ``Host`` that are taken.

        Raises:
            ValueError: the key is empty.
        """
        if not key:
            raise ValueError(f"{KEY} is empty")
        self._app = app
        self._key = key.encode()
        self._hosts = {host.encode() for host in hosts}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 403."""
        if scope["type"] == "lifespan" or (scope["type"] == "http" and self._may(scope["headers"])):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await send(
                {
                    "type": "http.response.start",
                    "status": 403,
                    "headers": [
                        (b"content-type", b"application/x-amz-json-1.0"),
                        (b"content-length", b"%d" % len(_REFUSAL)),
                    ],
                }
            )
            await send({"type": "http.response.body", "body": _REFUSAL})
        else:  # a WebSocket: Tocsin uses none
            await send({"type": "websocket.close"})

    def _may(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        found: dict[bytes, list[bytes]] = {}
        for name, value in headers:
            found.setdefault(name.lower(), []).append(value)
        hosts, credentials = found.get(b"host", []), found.get(b"authorization", [])
        if b"origin" in found or len(hosts) != 1 or len(credentials) != 1:
            return False
        named = _CREDENTIAL.match(credentials[0])
        return hosts[0] in self._hosts and named is not None and compare_digest(named[1], self._key)


def main() -> None:
    """Run MiniStack until it is told to stop."""
    ministack: Any = importlib.import_module("ministack.app")
    port = os.environ["GATEWAY_PORT"]
    hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
    ministack.app = Guard(ministack.app, os.environ.pop(KEY), hosts)
    ministack.main()


if __name__ == "__main__":
    main()
