"""Signed links as URLs, and what is sent with one.

::

    <public URL>/v1/approvals/<id>/resolve?org=acme&approved=true&exp=1774000120&key=<key id>\
    &sig=<43 characters>

What is not such a link, or one whose time is over, is refused before anything is read.
"""

import re
from typing import Final, NotRequired, TypedDict
from urllib.parse import parse_qsl, urlencode

import orjson
from pydantic import TypeAdapter, with_config

from tocsin.domain.approvals import is_id
from tocsin.domain.errors import Forbidden, Invalid, Malformed, Over
from tocsin.domain.ids import is_name
from tocsin.domain.limits import MAX_SMALL_BODY_BYTES
from tocsin.domain.links import Link, opens_nothing
from tocsin.wire.bodies import STRICT, Perhaps, read
from tocsin.wire.filters import Query

__all__ = ["MAKE", "PARAMETERS", "SEND", "is_form", "link_in", "presented", "sent", "url"]

PARAMETERS: Final = ("org", "approved", "exp", "key", "sig")
"""The names of a link's parts in the query: all of them (older ones name no key), or it is none."""

_ANSWERS: Final = {"true": True, "false": False}
_SECONDS: Final = re.compile(r"[1-9][0-9]{0,11}", re.ASCII)
_SIGNATURE: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_FIELDS: Final = 8  # of a form, at most
_FORM: Final = re.compile(rb"(approved|persist|resolved_by)=")  # as no JSON begins


@with_config(STRICT)
class LinksBody(TypedDict):
    """Of ``POST /v1/approvals/{id}/links``: nothing."""


@with_config(STRICT)
class LinkBody(TypedDict):
    """What may be sent with a link: its own answer, or nothing."""

    approved: NotRequired[bool]
    resolved_by: NotRequired[Perhaps]
    persist: NotRequired[bool]


MAKE: TypeAdapter[LinksBody] = TypeAdapter(LinksBody)
SEND: TypeAdapter[LinkBody] = TypeAdapter(LinkBody)


def url(public_url: str, link: Link) -> str:
    """Return a link as people open it."""
    answer = "true" if link.approved else "false"
    query: dict[str, str | int] = {"org": link.org, "approved": answer, "exp": link.ends_at}
    if link.key_id:
        query["key"] = link.key_id
    query["sig"] = link.signature
    return f"{public_url}/v1/approvals/{link.id}/resolve?{urlencode(query)}"


def presented(query: Query) -> bool:
    """Whether a request comes with a link, or a part of one: then no key is looked at."""
    return any(name in PARAMETERS for name, _ in query)


def link_in(id: str, query: Query, now_ms: int) -> Link:
    """Return the link of a request. Only the approval that it is about can tell if it is genuine.

    Raises:
        Forbidden: it is none; in the words for one that opens nothing.
        Over: its time is over, whether it was genuine or not.
    """
    given = dict(query)
    if len(given) < len(query) or given.keys() | {"key"} != set(PARAMETERS):
        raise opens_nothing()
    org, approved, exp, signature = (given[name] for name in PARAMETERS if name != "key")
    key_id = given.get("key")
    names = is_id(id) and is_name(org) and approved in _ANSWERS
    names = names and (key_id is None or is_name(key_id))
    if not (names and _SECONDS.fullmatch(exp) and _SIGNATURE.fullmatch(signature)):
        raise opens_nothing()
    if now_ms >= int(exp) * 1_000:
        raise Over("this link has expired: the call must be asked for again")
    return Link(
        org=org,
        id=id,
        approved=_ANSWERS[approved],
        ends_at=int(exp),
        key_id=key_id or "",
        signature=signature,
    )


def is_form(body: bytes) -> bool:
    """Whether a body is what a browser's form sends."""
    return _FORM.match(body) is not None


def sent(body: bytes, link: Link) -> LinkBody:
    """Return what is sent with a link: JSON, a form's fields, or nothing.

    Raises:
        Forbidden: it asks for more than a link can do.
        Invalid: it is the other answer, or not what it should be.
        TooLarge, Malformed: as :func:`.bodies.read`.
    """
    if is_form(body) and len(body) <= MAX_SMALL_BODY_BYTES:
        body = _as_json(body)
    given = read(body, SEND)
    if given.get("persist"):
        raise Forbidden("a link answers once: what is to be remembered takes a key")
    if given.get("approved", link.approved) is not link.approved:
        raise Invalid([{"field": "approved", "message": "The link is to the other answer"}])
    return given


def _as_json(form: bytes) -> bytes:
    try:
        fields = parse_qsl(form.decode(), keep_blank_values=True, max_num_fields=_FIELDS)
    except ValueError as error:
        raise Malformed(f"the body is neither JSON nor a form's: {error}") from error
    given = dict(fields)
    if len(given) < len(fields):
        raise Malformed("the body has a field twice")
    flags = {"approved", "persist"}
    return orjson.dumps(
        {
            name: _ANSWERS.get(value, value) if name in flags else value
            for name, value in given.items()
        }
    )
