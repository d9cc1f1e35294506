"""Which page's request this is, and whether it may use the cookie that the browser adds to it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

__all__ = ["Caller"]

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a request comes from and goes to, as far as its headers say.

    ``origin`` is None without an ``Origin`` header, ``fetch_site`` without ``Sec-Fetch-Site``
    (https://www.w3.org/TR/fetch-metadata/). Only a browser's word counts here, and only a browser
    has cookies that somebody else can make it send.
    """

    scheme: str
    host: str  # with the port, if there is one
    origin: str | None = None
    fetch_site: str | None = None

    @classmethod
    def of(cls, scheme: str, headers: Mapping[str, str]) -> "Caller":
        """Read a request's headers (by lower-case name)."""
        forwarded = headers.get("x-forwarded-proto", "").partition(",")[0].strip()
        return cls(
            forwarded or scheme,
            headers.get("host", ""),
            headers.get("origin"),
            headers.get("sec-fetch-site"),
        )

    @property
    def loopback(self) -> bool:
        """Whether it came to this machine by plain HTTP, where ``Secure`` can't be relied on."""
        try:
            return self.scheme == "http" and urlsplit(f"//{self.host}").hostname in _LOOPBACK
        except ValueError:
            return False

    def is_foreign(self, allowed: Collection[str]) -> bool:
        """Whether the page is of another origin, one of the ``allowed`` ones."""
        return self.origin in allowed and not self._same_origin

    def may_use_cookie(self, allowed: Collection[str]) -> bool:
        """Whether the page may use a sign-in's cookie: it is our own, or of an ``allowed`` origin.

        Behind CloudFront the host is not the one that the browser knows, so the browser's own
        ``Sec-Fetch-Site`` comes first. Browsers that do not send it have the hosts compared.
        Go's ``CrossOriginProtection`` decides the same for requests that change something.
        """
        if self.origin in allowed or self._same_origin:
            return True
        return self.origin is None and self.fetch_site in (None, "none")

    @property
    def _same_origin(self) -> bool:
        if self.fetch_site is not None:
            return self.fetch_site == "same-origin"
        return self.origin == f"{self.scheme}://{self.host}"
