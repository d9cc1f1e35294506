"""Where Tocsin is, and the key for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from tocsin.cli._failure import USAGE, Failure, expected_failures
from tocsin.cli._local import Local, read_local

if TYPE_CHECKING:
    from tocsin.client import Client

__all__ = ["ApiKeyOption", "Connection", "UrlOption", "connected", "connection"]

UrlOption = Annotated[
    str | None,
    typer.Option(envvar="TOCSIN_URL", show_default=False, help="Tocsin's URL."),
]
ApiKeyOption = Annotated[
    str | None,
    typer.Option(
        envvar="TOCSIN_API_KEY",
        show_default=False,
        help="The API key. Better in the variable: arguments can be seen by others.",
    ),
]


@dataclass(frozen=True, slots=True)
class Connection:
    """What a client needs; the key is kept out of its repr."""

    url: str
    api_key: str = field(repr=False)


def connection(url: str | None, api_key: str | None) -> Connection:
    """Return what was given, completed by what ``tocsin up`` wrote to ``local.json``.

    A key goes to the URL that it was given with alone: never one from the file to another URL, and
    never the user's own to a URL from the file.

    Raises:
        Failure: The URL or the key is nowhere to be found, or they don't belong together.
    """
    if not (url and api_key):
        local = read_local() or Local()
        if url and local.url != url.rstrip("/"):
            local = Local()
        if api_key and local.url and api_key != local.api_key:
            raise Failure(
                "an API key is given without a URL, and it is not the key of the Tocsin that runs "
                "here: set TOCSIN_URL too (--url), or leave out TOCSIN_API_KEY (--api-key)",
                USAGE,
            )
        url, api_key = url or local.url, api_key or local.api_key
    if not (url and api_key):
        missing = "an API key" if url else "Tocsin"
        raise Failure(
            f"can't find {missing}: run `make up` here, point TOCSIN_HOME at its folder, "
            "or set TOCSIN_URL and TOCSIN_API_KEY (--url, --api-key)",
            USAGE,
        )
    if not _is_url(url):
        raise Failure(f"{url!r} is not Tocsin's URL: it reads like http://127.0.0.1:8484", USAGE)
    if not (api_key.isascii() and api_key.isprintable()):
        raise Failure("the API key holds characters that no key has: copy it again", USAGE)
    return Connection(url.rstrip("/"), api_key)


@contextmanager
def connected(url: str | None, api_key: str | None) -> "Iterator[Client]":
    """Return a client for what :func:`connection` finds; what it raises is a Failure."""
    place = connection(url, api_key)

    from tocsin.client import Client

    with expected_failures(place.url), Client(place.url, place.api_key) as client:
        yield client


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
