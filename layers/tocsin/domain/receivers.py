"""What an endpoint's URL may be for each format, and what is shown of it."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from tocsin.domain.endpoints import Endpoint, Format
from tocsin.domain.errors import Invalid

__all__ = ["RECEIVERS", "CheckUrl", "Receiver", "check", "origin", "public_url"]

type CheckUrl = Callable[[str], object]
"""Raises Refused for a web address that no endpoint may be at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """What the receivers of a format are like.

    ``scheme`` is their URLs'; ``https`` are web addresses. ``token``: they ask for one beside the
    URL. ``signed``: deliveries to them are. ``path_is_secret``: whoever knows the URL's path may
    post. ``people``: they show messages to people, so that links in them can be followed.
    """

    scheme: str = "https"
    token: bool = False
    signed: bool = False
    path_is_secret: bool = False
    people: bool = True


RECEIVERS: Final[Mapping[Format, Receiver]] = {
    Format.TOCSIN: Receiver(signed=True),
    Format.CLOUDEVENTS: Receiver(signed=True),
    Format.KAVACH: Receiver(signed=True),
    Format.SLACK: Receiver(path_is_secret=True),
    Format.TEAMS: Receiver(path_is_secret=True),
    Format.DISCORD: Receiver(path_is_secret=True),
    Format.PAGERDUTY: Receiver(token=True),
    Format.EMAIL: Receiver(scheme="mailto"),
    Format.SPLUNK: Receiver(token=True, people=False),
    Format.S3: Receiver(scheme="s3", people=False),
    Format.PARQUET: Receiver(scheme="s3", people=False),
}
"""Of each format."""

# RFC 5322's dot-atoms, without what means something in a URL (RFC 6068).
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ATOM: Final = r"[A-Za-z0-9!#$'*+/=^_`{|}~-]+"
_MAIL: Final = re.compile(
    rf"mailto:(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+", re.ASCII
)
_MAX_MAIL_CHARS: Final = 254 + len("mailto:")  # RFC 5321, section 4.5.3.1.3
# What needs no care in a key, and no empty, "." or ".." between two slashes.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
_EXPORT: Final = re.compile(
    r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])"
    r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9!_.*'()=-]+)*/?",
    re.ASCII,
)
_MAX_EXPORT_CHARS: Final = 512


def check(
    format: Format,
    url: str,
    *,
    token: str,
    links: bool,
    check_web: CheckUrl,
    buckets: Collection[str],
    mails: bool,
) -> None:
    """Make sure that deliveries of a format can go to a URL.

    ``buckets`` are those that the deployment lets be written, and it may send mail (``mails``).

    Raises:
        Invalid: it is none of the format's, or lacks a token, or has one that nobody asks for; or
            ``links`` are asked for where nobody reads.
        Refused: as ``check_web`` says.
    """
    receiver = RECEIVERS[format]
    if token and not receiver.token:
        raise _invalid("token", f"Nobody asks for one in the format {format}: leave it out")
    if not token and receiver.token:
        raise _invalid("token", f"Required: what the receiver of the format {format} asks for")
    if links and not receiver.people:
        raise _invalid("links", f"What is sent in the format {format} is kept, and not answered")
    if receiver.scheme == "mailto":
        if len(url) > _MAX_MAIL_CHARS or not _MAIL.fullmatch(url):
            raise _invalid("url", "One mail address, as in mailto:security@example.com")
        if not mails:
            raise _invalid("format", "The deployment sends no mail: it has no mail_from")
    elif receiver.scheme == "s3":
        found = _EXPORT.fullmatch(url) if len(url) <= _MAX_EXPORT_CHARS else None
        if found is None:
            raise _invalid("url", "A bucket and perhaps a prefix, as in s3://bucket/tocsin")
        if found["bucket"] not in buckets:
            there_are = ", ".join(sorted(buckets)) or "none"
            raise _invalid("url", f"The deployment's buckets (export_buckets) are: {there_are}")
    else:
        check_web(url)


def origin(url: str) -> str:
    """Return a URL's scheme and host, which may be told; of a mail address what follows the @."""
    scheme, host, _ = _parts(url)
    if not host:
        return ""
    return f"{scheme}:{host}" if scheme == "mailto" else f"{scheme}://{host}"


def public_url(endpoint: Endpoint) -> str:
    """Return what who may not change an endpoint sees of its URL: what may be a secret is ``…``."""
    url = endpoint.url
    scheme, host, path = _parts(url)
    receiver = RECEIVERS[endpoint.format]
    if receiver.scheme != "https":
        return url
    if receiver.path_is_secret and path.strip("/"):
        path = "/…"
    return f"{scheme}://{host}{path}{'?…' if '?' in url else ''}"


def _parts(url: str) -> tuple[str, str, str]:
    """Return scheme, host with its port, and path, whatever the URL is; never a credential."""
    scheme, _, rest = url.partition(":")
    if scheme == "mailto":
        return scheme, rest.rpartition("@")[2], ""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.netloc.rpartition("@")[2], parts.path
    except ValueError:
        return scheme, "…", ""


def _invalid(field: str, message: str) -> Invalid:
    return Invalid([{"field": field, "message": message}])
