"""What the environment says about the way to a server: proxies and certificates.

httpx reads these variables when a client is made, and what it can't use ends that with an error
which names neither the variable nor the value. They are looked at here once that has happened.
"""

import os
import ssl
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

__all__ = ["broken_variable", "proxy_variable"]

_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy")


def broken_variable() -> str | None:
    """Return which variable httpx can't use, and why, in a line; None if it can use all.

    The values of proxies are left out: there can be a password in them.
    """
    for name, value in _set(*_PROXIES):
        if reason := _fails(proxy=value if "://" in value else f"http://{value}"):
            return f"{name} is not the URL of a proxy that can be used ({reason})"
    for name, value in _set("no_proxy"):
        for host in filter(None, map(str.strip, value.split(","))):
            if not _is_address(host) and host != "*":
                pattern = host if "://" in host else f"all://*{host}"
                if _fails(mounts={pattern: None}):
                    plain = host.strip("[]")
                    hint = f": write {plain}" if plain != host and _is_address(plain) else ""
                    return f"{name} has {host!r}, which is not a host{hint}"
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        path = os.environ.get(name)
        if path and (problem := _no_certificates(name, path)):
            return f"{name} can't be used: {problem}"
    return None


def proxy_variable(url: str) -> str | None:
    """Return the variable that names the proxy which leads to ``url``, if one does."""
    parts = urlsplit(url)
    if proxy_bypass(parts.hostname or ""):
        return None
    for name, _value in _set(f"{parts.scheme}_proxy", "all_proxy"):
        return name
    return None


def _set(*names: str) -> Iterator[tuple[str, str]]:
    """Yield the variables that are set; the one in lower case wins, as everywhere."""
    for name in names:
        for spelling in (name, name.upper()):
            if value := os.environ.get(spelling):
                yield spelling, value
                break


def _fails(**options: object) -> str | None:
    import httpx

    try:
        httpx.Client(**options, trust_env=False, verify=False).close()  # type: ignore[arg-type]  # noqa: S501
    except Exception as error:  # whatever it is, it is the value's fault
        return str(error).splitlines()[0] if str(error) else type(error).__name__
    return None


def _is_address(host: str) -> bool:
    try:
        ip_address(host.partition("/")[0])
    except ValueError:
        return False
    return True


def _no_certificates(name: str, value: str) -> str | None:
    try:
        if name == "SSL_CERT_FILE":
            ssl.create_default_context(cafile=value)
        else:
            ssl.create_default_context(capath=value)
    except (OSError, ValueError) as error:  # an ssl.SSLError is an OSError
        return getattr(error, "strerror", None) or str(error)
    return None
