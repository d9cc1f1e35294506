"""Which vendor a request is for, and where that vendor is.

Both vendors' paths begin with ``/v1``. Anthropic's are told by their name or by the header that
its API demands (https://docs.anthropic.com/en/api/versioning); all others are OpenAI's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

__all__ = ["Base", "Bases", "Vendor"]

_PREFIX: Final = "/v1"
_NAMES: Final = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "openai.azure.com": "azure.ai.openai",
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral_ai",
    "api.perplexity.ai": "perplexity",
    "api.x.ai": "x_ai",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "openrouter.ai": "openrouter",
}
"""Providers by their hosts; the names are those of ``gen_ai.provider.name``.

See https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/.
"""


class Vendor(StrEnum):
    """Whose protocol is spoken."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"


@dataclass(frozen=True, slots=True)
class Base:
    """Where one vendor's API is.

    ``url`` ends without a slash. ``provider`` is the name in events, and ``proxy`` the one that
    the environment has for this host.
    """

    url: str
    provider: str
    proxy: str | None = None

    @classmethod
    def of(cls, text: str) -> "Base":
        """Read ``[NAME=]URL``.

        Raises:
            ValueError: It is no URL of a server.
        """
        name, equals, url = text.partition("=")
        if not equals or "/" in name:
            name, url = "", text
        parts = urlsplit(url)
        host = parts.hostname
        if parts.scheme not in ("http", "https") or not host or parts.port == 0:
            raise ValueError(f"{url!r} is no URL like https://api.openai.com/v1")
        if parts.query or parts.fragment or parts.username is not None:
            raise ValueError(f"{url!r}: a base is scheme, host and path alone")
        return cls(url.rstrip("/"), name or _provider(host), _proxy(parts.scheme, host))


@dataclass(frozen=True, slots=True)
class Bases:
    """Where both vendors are. OpenAI's base has ``/v1`` in it, as ``OPENAI_BASE_URL`` has."""

    openai: Base
    anthropic: Base

    def target(self, path: str, headers: Mapping[str, str]) -> tuple[Vendor, Base, str]:
        """Return whose a request is, and the URL of ``path`` (with its query, as it came) there."""
        if path.startswith(f"{_PREFIX}/messages") or "anthropic-version" in headers:
            return Vendor.ANTHROPIC, self.anthropic, self.anthropic.url + path
        if path == _PREFIX or path.startswith((f"{_PREFIX}/", f"{_PREFIX}?")):
            path = path.removeprefix(_PREFIX)
        return Vendor.OPENAI, self.openai, self.openai.url + path


def _provider(host: str) -> str:
    for known, name in _NAMES.items():
        if host == known or host.endswith(f".{known}"):
            return name
    return host


def _proxy(scheme: str, host: str) -> str | None:
    if proxy_bypass(host):
        return None
    proxies = getproxies()
    return proxies.get(scheme) or proxies.get("all")
