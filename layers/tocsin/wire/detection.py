"""What the routes of detection's settings take and answer."""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Final, Literal, NotRequired, TypedDict
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, TypeAdapter, with_config

from tocsin.domain.detect.kept import KeptSettings
from tocsin.domain.detect.kinds import BUDGETED, SEVERITIES, Kind
from tocsin.domain.detect.settings import Hours, Settings
from tocsin.domain.limits import MAX_FALSE_ALERTS_PER_DAY, MAX_NAME_CHARS
from tocsin.domain.times import iso_ms
from tocsin.wire.bodies import STRICT

__all__ = ["PUT", "SAYS", "SettingsBody", "settings_of", "shown"]

SAYS: Final[Mapping[Kind, str]] = {
    Kind.RATE_SPIKE: "A tool is called much more often than it usually is.",
    Kind.ERROR_RATE: "More calls of an agent, a tool or a model fail than usually do.",
    Kind.LATENCY_SPIKE: "A tool or a model takes much longer than it usually does.",
    Kind.TOKEN_SPIKE: "A call of an agent or a model takes far more tokens than others do.",
    Kind.COST_SPIKE: "A call of an agent or a model costs far more than others do.",
    Kind.SILENCE: "An agent that always calls has stopped.",
    Kind.HIGH_DENIAL_RATE: "More than a fifth of an agent's calls in a day were denied.",
    Kind.PRIVILEGE_ESCALATION: "Three calls of an agent in a day were denied for its privileges.",
    Kind.RAPID_FIRE: "An agent makes more than 100 calls in an hour.",
    Kind.UNUSUAL_RESOURCE_ACCESS: "An agent calls a tool that it never called.",
    Kind.OFF_HOURS_ACTIVITY: "An agent is active while nobody is at work.",
    Kind.DESTRUCTIVE_PATTERN: "A call deletes, drops, truncates, destroys or purges.",
    Kind.NEW_TOOL: "A tool is called that the org never called.",
    Kind.NEW_MODEL_OR_PROVIDER: "A model, or its provider, is used that the org never used.",
    Kind.TOOL_DEFINITION_CHANGED: "An MCP server describes a tool otherwise than before.",
    Kind.REPEATED_CALL: "An agent makes the same call again and again.",
}
"""What each kind means, in a sentence."""

_MACHINES_OWN: Final = frozenset({"localtime", "Factory"})
_USUAL_HOURS: Final = {"days": sorted(Hours().days), "time_zone": Hours().time_zone}


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones()) - _MACHINES_OWN


def _zone(name: str) -> str:
    # By the list: a name that is tried is looked for as a file.
    if name not in _zones():
        raise ValueError("There is no such time zone: send one like Europe/Berlin, or UTC")
    return name


_Time = Annotated[str, Field(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]
_Day = Annotated[int, Field(ge=0, le=6)]
_Kind = Annotated[Kind, Field(strict=False)]

HoursBody = TypedDict(
    "HoursBody",
    {
        "from": _Time,
        "to": _Time,
        "days": NotRequired[Annotated[list[_Day], Field(min_length=1, max_length=7)]],
        "time_zone": NotRequired[
            Annotated[str, Field(max_length=MAX_NAME_CHARS), AfterValidator(_zone)]
        ],
    },
)
with_config(STRICT)(HoursBody)


@with_config(STRICT)
class SettingsBody(TypedDict):
    """Of ``PUT /api/v1/detection``; what is left out is as it is where nobody set anything."""

    enabled: NotRequired[bool]
    false_alerts_per_day: NotRequired[
        Annotated[float, Field(ge=0, le=MAX_FALSE_ALERTS_PER_DAY, allow_inf_nan=False)]
    ]
    kinds: NotRequired[Annotated[list[_Kind], Field(max_length=len(Kind))]]
    hours: NotRequired[HoursBody | None]
    suspend_from: NotRequired[Literal["info", "warning", "critical"] | None]


PUT: Final[TypeAdapter[SettingsBody]] = TypeAdapter(SettingsBody)


def settings_of(body: SettingsBody) -> Settings:
    """Return the settings that a body asks for."""
    asked: dict[str, Any] = Settings().as_data() | dict(body)
    if asked["hours"] is not None:
        asked["hours"] = _USUAL_HOURS | asked["hours"]
    return Settings.of_data(asked)


def shown(kept: KeptSettings) -> dict[str, Any]:
    """Return settings, who set them and when (null: nobody did), and what each kind means."""
    settings = kept.settings
    return {
        **settings.as_data(),
        "set_by": kept.by or None,
        "set_at": iso_ms(kept.at_ms) if kept.by else None,
        "known_kinds": [
            {
                "kind": kind,
                "severity": SEVERITIES[kind].word,
                "budgeted": kind in BUDGETED,
                "on": settings.enabled and kind in settings.kinds,
                "says": SAYS[kind],
            }
            for kind in Kind
        ],
    }
