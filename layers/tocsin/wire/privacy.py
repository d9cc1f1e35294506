"""What the routes of the privacy settings take and answer."""

from typing import Annotated, Any, Final, NotRequired, TypedDict

from pydantic import Field, TypeAdapter, with_config

from tocsin.domain.limits import MAX_TAG_RULES
from tocsin.domain.privacy import KeptPrivacy, Pii, Privacy
from tocsin.domain.times import iso_ms
from tocsin.wire.bodies import STRICT, Name

__all__ = ["PUT", "PrivacyBody", "privacy_of", "shown"]


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


PUT: Final[TypeAdapter[PrivacyBody]] = TypeAdapter(PrivacyBody)


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
