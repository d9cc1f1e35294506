"""Tocsin's folder on this machine, and ``local.json``, which ``tocsin up`` writes there.

The folder is found in whatever directory a command stands in, so what it says is believed only as
far as ``tocsin up`` would have said it: it must belong to this user alone, name this machine and
nothing unknown. Everything that is read from it is read here.
"""

import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tocsin.cli._failure import USAGE, Failure

__all__ = ["ENDPOINTS", "TABLES", "VARIABLES", "Local", "home", "own_home", "read_local"]

TABLES: Final = ("TOCSIN_JOURNAL_TABLE", "TOCSIN_LEDGER_TABLE", "TOCSIN_STATE_TABLE")
ENDPOINTS: Final = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB")
VARIABLES: Final = frozenset(
    {
        *TABLES,
        *ENDPOINTS,
        *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    }
)
"""What ``env`` in the file names: each of these, and nothing else."""

_NAMES: Final = frozenset({"url", "org", "api_key", "env"})
_MAX_BYTES: Final = 65_536
_VALUE: Final = re.compile(r"[!-~]{1,1024}")  # ASCII that can be seen, without blanks


@dataclass(frozen=True, slots=True)
class Local:
    """What the file says; None, or an empty ``env``, is what it does not say."""

    url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)


def home() -> Path:
    """Return where Tocsin keeps its files on this machine: ``$TOCSIN_HOME`` or ``./.tocsin``.

    Raises:
        Failure: The path is relative, and the working directory is gone.
    """
    try:
        return Path(os.environ.get("TOCSIN_HOME") or ".tocsin").absolute()
    except OSError as error:
        raise Failure(
            "the working directory is gone: change to another one, or set TOCSIN_HOME to a "
            "whole path",
            USAGE,
        ) from error


def own_home(default: Path | None = None) -> Path:
    """Return the folder, made for this user alone if it is not there.

    ``default`` is used in place of ``./.tocsin``, where ``TOCSIN_HOME`` is not set.

    Raises:
        Failure: It belongs to another user, or others may write in it.
        OSError: It can't be made.
    """
    path = home() if default is None or os.environ.get("TOCSIN_HOME") else default
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)
    _refuse_strangers(path, path.stat())
    return path


def read_local() -> Local | None:
    """Return what ``local.json`` says, or None if there is none.

    Raises:
        Failure: It is not as ``tocsin up`` writes it, or is not this user's alone.
    """
    path = home() / "local.json"
    content = _read(path)
    if content is None:
        return None
    try:
        return _checked(json.loads(content))
    except (ValueError, RecursionError) as error:
        raise Failure(f"can't use {path}: {error}", USAGE) from error


def _read(path: Path) -> bytes | None:
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _refuse_strangers(path.parent, os.fstat(folder))
            # A symbolic link or a named pipe is not what `tocsin up` writes, and could hang.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            number = os.open(path.name, flags, dir_fd=folder)
        finally:
            os.close(folder)
        with os.fdopen(number, "rb") as file:
            status = os.fstat(number)
            _refuse_strangers(path, status)
            if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_BYTES:
                raise Failure(f"can't use {path}: it is not a small file", USAGE)
            return file.read(_MAX_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Failure(f"can't read {path}: {error.strerror}", USAGE) from error


def _refuse_strangers(path: Path, status: os.stat_result) -> None:
    if status.st_uid != os.geteuid():
        raise Failure(
            f"{path} belongs to another user and is not used: set TOCSIN_HOME to a folder of "
            "your own",
            USAGE,
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Failure(
            f"{path} can be written by others and is not used: run `chmod go-w` on it if all in "
            "it is yours, or set TOCSIN_HOME to another folder",
            USAGE,
        )


def _checked(found: Any) -> Local:
    """Return what was ``found``; raise ValueError unless it is as ``tocsin up`` writes it."""
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object")
    env = found.pop("env", {})
    if not isinstance(env, dict):
        raise ValueError("env is not a JSON object")
    for name in found.keys() - _NAMES or env.keys() - VARIABLES:
        raise ValueError(f"it names {name!r}, which `tocsin up` never writes")
    if env and (missing := VARIABLES - env.keys()):
        raise ValueError(f"env lacks {', '.join(sorted(missing))}")
    for name, value in (found | env).items():
        if not (isinstance(value, str) and _VALUE.fullmatch(value)):
            raise ValueError(f"{name} is not text as `tocsin up` writes it")
        if name in ("url", *ENDPOINTS) and not _is_here(value):
            raise ValueError(f"{name} is not an address of this machine")
    return Local(found.get("url"), found.get("api_key"), env)


def _is_here(url: str) -> bool:
    parts = urlsplit(url)
    here = parts.hostname in ("127.0.0.1", "localhost", "::1") and parts.port != 0
    return here and parts.scheme == "http" and "@" not in parts.netloc
