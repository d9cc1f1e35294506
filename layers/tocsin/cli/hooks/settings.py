"""Where a hook finds Tocsin, and the key for it, which no product's settings hold.

``$XDG_CONFIG_HOME/tocsin/hooks.json`` (or ``~/.config/…``) has keys by URL. It is this user's
alone, and outside of every project, so that it gets into no repository. ``TOCSIN_API_KEY`` comes
before it, and ``local.json`` of ``tocsin up`` after it.
"""

import json
import os
import stat
from pathlib import Path
from typing import Any, Final

__all__ = ["BadSettings", "find", "keep", "kept", "key_file"]

_MAX_BYTES: Final = 65_536


class BadSettings(Exception):
    """There is no address or no key that can be used; the message says what to do."""


def key_file() -> Path:
    """Return where keys are kept."""
    base = os.environ.get("XDG_CONFIG_HOME") or ""
    root = Path(base) if os.path.isabs(base) else Path.home() / ".config"
    return root / "tocsin" / "hooks.json"


def find(url: str) -> tuple[str, str]:
    """Return the URL and the key; ``url`` is what the hook's command says, or "".

    Raises:
        BadSettings: one of them is nowhere to be found, or can't be used.
    """
    url = (url or os.environ.get("TOCSIN_URL") or "").rstrip("/")
    key = os.environ.get("TOCSIN_API_KEY") or ""
    if not url or not key:
        keys = kept()
        if not url and len(keys) == 1:
            [url] = keys
        key = key or keys.get(url, "")
    if not url or not key:
        from tocsin.cli._failure import Failure
        from tocsin.cli._local import read_local

        try:
            local = read_local()
        except Failure as error:
            raise BadSettings(str(error)) from error
        if local and local.url and url in ("", local.url):
            url, key = local.url, key or local.api_key or ""
    if not url:
        raise BadSettings("it is not known where Tocsin is: set TOCSIN_URL, or use --url")
    if not url.startswith(("http://", "https://")):
        raise BadSettings(f"{url!r} is no URL of Tocsin's")
    if not key:
        raise BadSettings(f"there is no key for {url}: set TOCSIN_API_KEY, or `tocsin install`")
    if not (key.isascii() and key.isprintable()):
        raise BadSettings("the API key holds characters that no key has: copy it again")
    return url, key


def kept() -> dict[str, str]:
    """Return the keys by URL.

    Raises:
        BadSettings: the file can be read by others, or is not as :func:`keep` writes it.
    """
    path = key_file()
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise BadSettings(f"{path} is not yours alone: run `chmod 600` on it")
            found: Any = json.loads(file.read(_MAX_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise BadSettings(f"can't read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise BadSettings(f"{path} is not JSON: remove it and `tocsin install` again") from error
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found.values()):
        raise BadSettings(f"{path} is not as it was written: `tocsin install` again")
    return found


def keep(url: str, key: str) -> Path:
    """Keep the key for a URL; "" forgets it. The file is written anew, whole, with mode 600.

    Raises:
        BadSettings: as :func:`kept`.
        OSError: it can't be written.
    """
    path, keys = key_file(), kept()
    keys.pop(url, None)
    if key:
        keys[url] = key
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        number = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(number, "w", encoding="utf-8") as file:
            json.dump(keys, file, indent=2)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path
