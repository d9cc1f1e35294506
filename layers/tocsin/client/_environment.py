"""Opens httpx clients with the environment's proxies and certificates; says what is wrong there.

httpx raises whatever its parts raise, without the variable's name.
"""

import os
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import httpx

from tocsin.client._errors import BadEnvironment

__all__ = ["is_this_machine", "opened", "wrong_variables"]

_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_FILES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")


def is_this_machine(url: str) -> bool:
    """Whether a URL leads to this machine, for which no proxy is ever asked."""
    host = httpx.URL(url).host
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def opened[T](make: Callable[[], T]) -> T:
    """Return what ``make`` makes of httpx and the environment.

    Raises:
        BadEnvironment: It can't be made, because of a variable.
    """
    try:
        return make()
    except (httpx.InvalidURL, ValueError, OSError, ImportError) as error:
        names = sorted(wrong_variables()) or [name for name in _names() if os.environ.get(name)]
        if not names:
            raise
        shown = ", ".join(f"{name}={_without_password(os.environ[name])!r}" for name in names)
        hint = ""
        if any(name.upper() == "NO_PROXY" and "[" in os.environ[name] for name in names):
            hint = ": write IPv6 addresses without brackets"
        raise BadEnvironment(f"{shown} can't be used ({error}){hint}") from error


def wrong_variables() -> frozenset[str]:
    """Return which variables httpx can't use, as far as that can be told by looking at each."""
    return frozenset(_wrong())


def _names() -> Iterator[str]:
    for name in (*_PROXIES, "NO_PROXY"):
        yield from (name, name.lower())
    yield from _FILES


def _wrong() -> Iterator[str]:
    for name in _names():
        value = os.environ.get(name)
        if not value:
            continue
        try:
            if name.upper() in _PROXIES:
                httpx.HTTPTransport(proxy=value if "://" in value else f"http://{value}")
            elif name.upper() == "NO_PROXY":
                for host in map(str.strip, value.split(",")):
                    _check_exception(host)
            elif not (Path(value).parent if name == "SSLKEYLOGFILE" else Path(value)).exists():
                yield name
        except (httpx.InvalidURL, ValueError, ImportError):
            yield name
        except OSError:
            continue  # certificates, which are looked at by themselves


def _check_exception(host: str) -> None:
    """Do what httpx does with a host that no proxy is asked for."""
    try:
        ip_address(host)
    except ValueError:
        httpx.URL(host if "://" in host else f"all://*{host}")


def _without_password(text: str) -> str:
    """Return a proxy's URL as it may be shown."""
    scheme, at, host = text.rpartition("@")
    return f"{scheme.partition('://')[0]}://…@{host}" if at else text
