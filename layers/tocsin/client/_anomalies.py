"""Alerts, what people say of them, and how an org is watched."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlsplit

from tocsin.client._asking import Asking, AsyncAsking, Flow, Question, one, path, read
from tocsin.domain.limits import MAX_LIST_EVENTS
from tocsin.domain.times import iso

__all__ = ["Anomalies", "Anomaly", "AsyncAnomalies"]

_ANOMALIES: Final = "/api/v1/anomalies"
_DETECTION: Final = "/api/v1/detection"


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something unusual that was told, and what people said of it.

    Attributes:
        status: ``open``, ``acknowledged``, ``snoozed`` or ``false_positive``.
        fields: All that Tocsin said of it.
    """

    id: str
    kind: str
    severity: str
    status: str
    description: str
    detected_at: str
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Return it as Tocsin's answers have it; raises KeyError or TypeError: it is none."""
        return cls(
            id=fields["id"],
            kind=fields["kind"],
            severity=fields["severity"],
            status=fields["status"],
            description=fields["description"],
            detected_at=fields["detected_at"],
            fields=fields,
        )


class Anomalies(Asking):
    """A client's methods of detection."""

    def anomalies(
        self,
        limit: int = 100,
        *,
        status: str | None = None,
        kind: str | None = None,
        agent_id: str | None = None,
    ) -> list[Anomaly]:
        """Return alerts, newest first, ``limit`` at most.

        Args:
            limit: How many.
            status: Only ``open``, ``acknowledged``, ``snoozed`` or ``false_positive`` ones.
            kind: Only those of this kind, such as ``rate_spike``.
            agent_id: Only those about this agent.

        Raises:
            ApiError: Tocsin refused.
            httpx.TransportError: Tocsin can't be reached.
        """
        return self._run(_all(limit, status=status, kind=kind, agent_id=agent_id))

    def anomaly(self, id: str) -> Anomaly:
        """Return one alert; raises what :meth:`anomalies` raises."""
        return self._run(_one(id))

    def acknowledge(self, id: str, reason: str = "") -> Anomaly:
        """Say that an alert was seen.

        Raises:
            ApiError: Tocsin refused. Its ``status`` is 409 if what was said of it says more.
            httpx.TransportError: Tocsin can't be reached.
        """
        return self._run(_reviewed(id, "acknowledge", reason=reason))

    def snooze(
        self,
        id: str,
        reason: str = "",
        *,
        seconds: int | None = None,
        until: datetime | str | None = None,
    ) -> Anomaly:
        """Have no more alerts like it for some seconds, or until a time: 30 days at most.

        Raises what :meth:`acknowledge` raises, and ValueError where not one of both is given.
        """
        return self._run(_snoozed(id, reason, seconds, until))

    def false_positive(self, id: str, reason: str = "") -> Anomaly:
        """Have alerts like it only where more is seen than was; raises as :meth:`acknowledge`."""
        return self._run(_reviewed(id, "false-positive", reason=reason))

    def detection(self) -> dict[str, Any]:
        """Return how the org is watched; raises what :meth:`anomalies` raises."""
        return self._run(_watched(Question("GET", _DETECTION)))

    def set_detection(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Change it, and return it; what is left out is as where nobody set anything.

        Raises what :meth:`anomalies` raises.
        """
        return self._run(_watched(Question("PUT", _DETECTION, body=settings)))


class AsyncAnomalies(AsyncAsking):
    """The same for asyncio; see :class:`Client`'s methods."""

    async def anomalies(
        self,
        limit: int = 100,
        *,
        status: str | None = None,
        kind: str | None = None,
        agent_id: str | None = None,
    ) -> list[Anomaly]:
        """Return alerts, newest first."""
        return await self._run(_all(limit, status=status, kind=kind, agent_id=agent_id))

    async def anomaly(self, id: str) -> Anomaly:
        """Return one alert."""
        return await self._run(_one(id))

    async def acknowledge(self, id: str, reason: str = "") -> Anomaly:
        """Say that an alert was seen."""
        return await self._run(_reviewed(id, "acknowledge", reason=reason))

    async def snooze(
        self,
        id: str,
        reason: str = "",
        *,
        seconds: int | None = None,
        until: datetime | str | None = None,
    ) -> Anomaly:
        """Have no more alerts like it for a while."""
        return await self._run(_snoozed(id, reason, seconds, until))

    async def false_positive(self, id: str, reason: str = "") -> Anomaly:
        """Have alerts like it only where more is seen than was."""
        return await self._run(_reviewed(id, "false-positive", reason=reason))

    async def detection(self) -> dict[str, Any]:
        """Return how the org is watched."""
        return await self._run(_watched(Question("GET", _DETECTION)))

    async def set_detection(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Change it, and return it."""
        return await self._run(_watched(Question("PUT", _DETECTION, body=settings)))


def _all(limit: int, **wanted: str | None) -> Flow[list[Anomaly]]:
    found = list[Anomaly]()
    params = {name: value for name, value in wanted.items() if value is not None}
    while len(found) < limit:
        params["limit"] = str(min(limit - len(found), MAX_LIST_EVENTS))
        response = yield Question("GET", _ANOMALIES, params)
        found += read(
            response, lambda page: list(map(Anomaly.from_fields, page["data"])), "list of anomalies"
        )
        link = response.links.get("next")
        if link is None:
            break
        params = dict(parse_qsl(urlsplit(link["url"]).query))
    return found


def _one(id: str) -> Flow[Anomaly]:
    return one(Question("GET", path(_ANOMALIES, id)), Anomaly.from_fields, "anomaly")


def _reviewed(id: str, verb: str, **said: Any) -> Flow[Anomaly]:
    question = Question("POST", path(_ANOMALIES, id, verb), body=said)
    return one(question, Anomaly.from_fields, "anomaly")


def _snoozed(
    id: str, reason: str, seconds: int | None, until: datetime | str | None
) -> Flow[Anomaly]:
    if (seconds is None) == (until is None):
        raise ValueError("give seconds or until")
    if seconds is not None:
        return _reviewed(id, "snooze", reason=reason, seconds=seconds)
    if isinstance(until, datetime):
        until = iso(until if until.tzinfo else until.replace(tzinfo=UTC))
    return _reviewed(id, "snooze", reason=reason, until=until)


def _watched(question: Question) -> Flow[dict[str, Any]]:
    return one(question, dict, "detection's settings")
