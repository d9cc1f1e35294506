"""Which events an endpoint is sent. Most events are looked at by their bytes alone."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from tocsin.domain import canonical
from tocsin.domain.detect.kinds import Severity
from tocsin.domain.endpoints import Endpoint, Wanted
from tocsin.domain.segment import SealedEvent
from tocsin.wire.filters import Filter

__all__ = ["REMINDER", "TEST", "wants"]

TEST: Final = "tocsin.endpoint_test"
"""The type of an event that is for one endpoint alone, whatever that wants."""

REMINDER: Final = "approval.reminder"
"""The type of an event that is for those to whom approvals are escalated."""

_ANOMALY: Final = "anomaly"
_SEVERITIES: Final = {each.word: each for each in Severity}
_WANTED_AT_ONCE: Final = 1_024


def wants(endpoint: Endpoint, event: SealedEvent) -> bool:
    """Whether an endpoint is to be sent an event."""
    wanted = _prepared(endpoint.wanted)
    # An entry is canonical: its type stands in it as these very bytes, and perhaps elsewhere too.
    if not wanted.may_want(event.entry):
        return False
    if _OF_THEIR_OWN.search(event.entry):
        fields = canonical.parse(event.entry)
        if fields["type"] == TEST:
            data = fields.get("data")
            return isinstance(data, dict) and data.get("endpoint_id") == endpoint.id
        if fields["type"] == REMINDER:
            return endpoint.escalation and wanted.of_any_type.matches(event)
    return wanted.of_its_types.matches(event) and wanted.serious(event)


@dataclass(frozen=True)
class _Prepared:
    """What an endpoint wants, ready to be looked for."""

    wanted: Wanted
    of_its_types: Filter = field(init=False)
    of_any_type: Filter = field(init=False)
    _types: re.Pattern[bytes] | None = field(init=False)

    def __post_init__(self) -> None:
        wanted = self.wanted
        of_any_type = Filter(
            agent_id=wanted.agent_id, tool_name=wanted.tool_name, action=wanted.action
        )
        object.__setattr__(self, "of_any_type", of_any_type)
        object.__setattr__(self, "of_its_types", replace(of_any_type, types=wanted.types))
        object.__setattr__(self, "_types", _pattern(wanted.types))

    def may_want(self, entry: bytes) -> bool:
        """Whether the event may be wanted, by a search for its type."""
        return self._types is None or self._types.search(entry) is not None

    def serious(self, event: SealedEvent) -> bool:
        """Whether an event is serious enough; only anomalies are more or less so.

        A severity that nobody knows is: better told than not.
        """
        least = self.wanted.severity
        if least is None:
            return True
        fields = canonical.parse(event.entry)
        word = fields.get("status")
        known = _SEVERITIES.get(word) if isinstance(word, str) else None
        return fields["type"] != _ANOMALY or known is None or known >= least


def _pattern(types: frozenset[str] | None) -> re.Pattern[bytes] | None:
    return None if types is None else _any_of({*types, TEST, REMINDER})


def _any_of(types: Iterable[str]) -> re.Pattern[bytes]:
    names = b"|".join(re.escape(each.encode()) for each in sorted(types))
    return re.compile(b'"type":"(?:%b)"' % names)


_OF_THEIR_OWN: Final = _any_of({TEST, REMINDER})


@lru_cache(_WANTED_AT_ONCE)
def _prepared(wanted: Wanted) -> _Prepared:
    return _Prepared(wanted)
