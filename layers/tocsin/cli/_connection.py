"""Where Tocsin is, and the key for it."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from tocsin.cli._failure import USAGE, Failure

__all__ = ["ApiKeyOption", "Connection", "UrlOption", "connection", "home"]

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


def home() -> Path:
    """Return where Tocsin keeps its files on this machine: ``$TOCSIN_HOME`` or ``./.tocsin``."""
    return Path(os.environ.get("TOCSIN_HOME") or ".tocsin").absolute()


def connection(url: str | None, api_key: str | None) -> Connection:
    """Return what was given, completed by what ``tocsin up`` wrote to ``local.json``.

    Raises:
        Failure: The URL or the key is nowhere to be found.
    """
    if not (url and api_key):
        local = _local(home() / "local.json")
        if api_key is None and url and local.get("url") != url.rstrip("/"):
            local = {}  # never send the local key elsewhere
        url, api_key = url or local.get("url"), api_key or local.get("api_key")
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


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _local(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_bytes())
        return {name: str(found[name]) for name in ("url", "api_key") if found.get(name)}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        raise Failure(f"can't read {path}: {error}", USAGE) from error
