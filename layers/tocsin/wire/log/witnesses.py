"""Whom a policy has us ask for cosignatures: its witnesses that have a URL.

::

    witness Ann ann.example/w+fe3c…+BGx2… https://ann.example/witness

The URL is tlog-witness' submission prefix, as https://c2sp.org/tlog-policy recommends. So the file
by which readers trust can be the one that says whom to ask; its other lines are for them.
"""

from dataclasses import replace
from typing import Final, NamedTuple

from tocsin.domain.addresses import Place, check_url, parsed
from tocsin.domain.errors import Invalid
from tocsin.wire.log.faults import BadFormat
from tocsin.wire.log.keys import Verifier
from tocsin.wire.log.policies import Policy

__all__ = ["MOST_WITNESSES", "Appointed", "appointed"]

MOST_WITNESSES: Final = 32
"""That are asked: each adds a line to a note, which has a hundred at most."""

_QUORUM: Final = b"quorum"
_CALL: Final = "/add-checkpoint"


class Appointed(NamedTuple):
    """A witness that is asked.

    Attributes:
        name: The policy's.
        key: That of its cosignatures.
        place: Where it is asked, the call's own path included.
        nearby: It is on this machine, and may be asked in the clear.
    """

    name: str
    key: Verifier
    place: Place
    nearby: bool


def appointed(policy: str) -> tuple[Appointed, ...]:
    """Return whom a policy has us ask; it may leave out the line that says its quorum.

    Raises:
        BadFormat: it is none, nobody of it can be asked, or not at a URL that it gives.
    """
    text = policy.encode(errors="surrogateescape")
    if not any(line.split()[:1] == [_QUORUM] for line in text.split(b"\n")):
        text += b"\nquorum none\n"
    asked = [each for each in Policy.read(text).witnesses if each.url is not None]
    if not 1 <= len(asked) <= MOST_WITNESSES:
        raise BadFormat(f"{len(asked)} witnesses of the policy have a URL: 1 to {MOST_WITNESSES}")
    return tuple(
        Appointed(_text(each.name), each.key, *_place(_text(each.url or b""))) for each in asked
    )


def _text(name: bytes) -> str:
    return name.decode(errors="backslashreplace")


def _place(url: str) -> tuple[Place, bool]:
    """Return where a submission prefix has its call, and whether that is on this machine."""
    try:
        place = check_url(url, loopback=True)
        address = parsed(place.host)
        nearby = place.host == "localhost" or bool(address and address.is_loopback)
        if not nearby:
            check_url(url, loopback=False)
    except Invalid as error:
        raise BadFormat(f"a witness can't be asked at {url}: {error}") from error
    if "?" in place.target:
        raise BadFormat(f"a witness can't be asked at {url}: what stands behind ? is no prefix")
    return replace(place, target=place.target.rstrip("/") + _CALL), nearby
