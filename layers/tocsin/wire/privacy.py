"""What the routes of the privacy settings take and answer."""

from base64 import b64encode
from typing import Annotated, Any, Final, NotRequired, TypedDict

from pydantic import Field, TypeAdapter, with_config

from tocsin.domain.limits import MAX_MESSAGE_CHARS, MAX_TAG_RULES
from tocsin.domain.privacy import KeptPrivacy, Pii, Privacy
from tocsin.domain.subjects import KeptSubject
from tocsin.domain.times import iso_ms
from tocsin.wire.bodies import STRICT, Name

__all__ = ["ERASE", "PUT", "ErasureBody", "PrivacyBody", "erased", "privacy_of", "shown", "whole"]


@with_config(STRICT)
class TagRuleBody(TypedDict):
    """A rule for ``compliance_tag``; what is left out is any."""

    tag: Name
    agent: NotRequired[Name]
    tool: NotRequired[Name]
    model: NotRequired[Name]


@with_config(STRICT)
class PrivacyBody(TypedDict):
    """Of ``PUT /api/v1/privacy``; what is left out is as it is where nobody set anything."""

    pii: NotRequired[Annotated[Pii, Field(strict=False)]]
    tags: NotRequired[Annotated[list[TagRuleBody], Field(max_length=MAX_TAG_RULES)]]
    erasable: NotRequired[bool]


@with_config(STRICT)
class ErasureBody(TypedDict):
    """Of ``POST /api/v1/privacy/erasures``."""

    user_id: Name
    reason: NotRequired[Annotated[str, Field(max_length=MAX_MESSAGE_CHARS)]]


PUT: Final[TypeAdapter[PrivacyBody]] = TypeAdapter(PrivacyBody)
ERASE: Final[TypeAdapter[ErasureBody]] = TypeAdapter(ErasureBody)


def privacy_of(body: PrivacyBody) -> Privacy:
    """Return the settings that a body asks for."""
    return Privacy.of_data(Privacy().as_data() | dict(body))


def shown(kept: KeptPrivacy) -> dict[str, Any]:
    """Return settings, who set them and when; null: nobody did."""
    return {
        **kept.settings.as_data(),
        "set_by": kept.by or None,
        "set_at": iso_ms(kept.at_ms) if kept.by else None,
    }


def erased(subject: KeptSubject) -> dict[str, Any]:
    """Return whose data was erased, by whom and when."""
    return {
        "user_id": subject.user,
        "erased_by": subject.erased_by,
        "erased_at": iso_ms(subject.erased_at_ms),
    }


def whole(subject: KeptSubject) -> dict[str, Any]:
    """Return all that is kept of a person: the key (base64), and who erased the one before it."""
    key = subject.key
    return {
        "user_id": subject.user,
        "key": key.id if key else None,
        "secret": b64encode(key.secret).decode() if key else None,
        "erased_by": subject.erased_by or None,
        "erased_at": iso_ms(subject.erased_at_ms) if subject.change else None,
    }
