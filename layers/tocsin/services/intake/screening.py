"""What becomes of events before they are stored, since nothing that is stored can be taken back.

Credentials are masked, personal data is treated as the org has set it, calls that do not say what
they cost are priced, and events without a tag are tagged by the org's rules. An org's setting is
read every half minute. Where it can't be read, nothing is taken in: to go by the default could
store for good what the org wants masked.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from tocsin.domain.errors import Detail, Invalid
from tocsin.domain.limits import MAX_DETAILS_PER_REFUSAL
from tocsin.domain.privacy import Pii, Privacy
from tocsin.ports.privacy import PrivacySettings
from tocsin.ports.world import Clock
from tocsin.services.access.remembered import Remembered
from tocsin.wire.intake.incoming import Incoming
from tocsin.wire.pricing import estimate
from tocsin.wire.screening import masked, screen

__all__ = ["Screening", "remembered"]

_USUAL: Final = Privacy()


def remembered(settings: PrivacySettings, clock: Clock) -> Callable[[str], Privacy]:
    """Return what tells an org's setting, as it was up to half a minute ago.

    It raises Busy if the setting can't be read, and IntegrityError if it is damaged.
    """
    found = Remembered[str, Privacy](lambda org: settings.get(org).settings, clock)
    return found.read


class Screening:
    """Screens the events of a request, and those that Tocsin records of a call."""

    def __init__(self, clock: Clock, setting: Callable[[str], Privacy] | None = None) -> None:
        """``setting`` returns an org's; without it all have the usual one."""
        self._clock = clock
        self._setting = setting or (lambda org: _USUAL)

    def __call__(self, org: str, incoming: Incoming, *, partial: bool) -> None:
        """Change the events of a request in place; with ``partial`` leave out what is refused.

        Raises:
            Invalid: an event holds personal data that the org refuses.
            Busy: the org's setting can't be read.
        """
        privacy = self._setting(org)
        refused = screen(incoming.events, privacy.pii)
        if refused:
            why = {
                at: f"holds personal data ({', '.join(types)}), which the org refuses: "
                "send it without"
                for at, types in refused.items()
            }
            if not partial:
                raise Invalid(_details(incoming, why))
            incoming.leave_out(why)
        if not self._priced(privacy, incoming.events):
            incoming.plain = False

    def record(self, org: str, event: dict[str, Any]) -> None:
        """Change an event in place that Tocsin writes of a call.

        What is to be refused is masked: the call is recorded in any case.

        Raises:
            Busy: the org's setting can't be read.
        """
        privacy = self._setting(org)
        screen([event], _recorded(privacy.pii))
        self._priced(privacy, [event])

    def masked(self, org: str, value: Any) -> Any:
        """Return a value without what is masked in an org's events.

        Raises:
            Busy: the org's setting can't be read.
        """
        return masked(value, _recorded(self._setting(org).pii))

    def _priced(self, privacy: Privacy, events: Sequence[dict[str, Any]]) -> bool:
        if privacy.tags:
            for event in events:
                if "compliance_tag" not in event and (tag := privacy.tag_of(event)):
                    event["compliance_tag"] = tag
        return estimate(events, self._clock.now_ms())


def _recorded(pii: Pii) -> Pii:
    return Pii.MASK if pii is Pii.REFUSE else pii


def _details(incoming: Incoming, why: dict[int, str]) -> list[Detail]:
    places = incoming.places
    return [
        Detail(field=f"events[{places[at]}]" if incoming.batch else "body", message=reason)
        for at, reason in list(why.items())[:MAX_DETAILS_PER_REFUSAL]
    ]
