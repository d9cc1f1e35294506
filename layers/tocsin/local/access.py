"""The local org, its admin key, and ``local.json``, where other programs find both."""

import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import orjson

from tocsin.domain.keys import ApiKey, Scope, key_ids, mint
from tocsin.domain.org import Org
from tocsin.ports.access import Keys
from tocsin.ports.orgs import Orgs

__all__ = ["ORG", "admit", "read_token", "write_access"]

ORG = "local"
FILE = "local.json"
_NAME = "tocsin up"
_SCOPES = frozenset({Scope.ADMIN})


def admit(keys: Keys, orgs: Orgs, token: str | None, now_ms: int) -> str:
    """Make sure that the local org exists and has an admin key; return the key's token.

    ``token`` is the one used before. It stays valid unless the org's owner revoked it, even if the
    tables were emptied since.
    """
    if orgs.get(ORG) is None:
        orgs.put(Org(ORG))
    claimed = key_ids(token) if token else None
    if token and claimed and claimed[0] == ORG:
        stored = keys.get(*claimed)
        if stored is None:
            digest = sha256(token.encode()).digest()
            keys.put(ApiKey(ORG, claimed[1], digest, _SCOPES, _NAME, now_ms))
            return token
        if stored.matches(token):
            return token
    token, key = mint(ORG, _SCOPES, _NAME, now_ms)
    keys.put(key)
    return token


def read_token(home: Path) -> str | None:
    """Return the token of an earlier start, or None.

    A file that others could have read or written, or that came with somebody's folder, is no
    earlier start's: its token would become an admin's key.
    """
    try:
        with (home / FILE).open("rb") as file:
            found = os.fstat(file.fileno())
            if found.st_uid != os.getuid() or found.st_mode & 0o077:
                return None
            token = orjson.loads(file.read())["api_key"]
    except (FileNotFoundError, orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return token if isinstance(token, str) else None


def write_access(home: Path, url: str, token: str, env: Mapping[str, str]) -> None:
    """Write ``local.json``, readable by this user only; at any moment it is whole or not there.

    ``env`` are the variables with which ``tocsin keys`` and others reach the tables directly.
    """
    content = orjson.dumps(
        {"url": url, "org": ORG, "api_key": token, "env": dict(env)},
        option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE,
    )
    temporary = home / f"{FILE}.new"
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    os.replace(temporary, home / FILE)
