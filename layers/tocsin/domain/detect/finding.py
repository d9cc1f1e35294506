"""What was found: an anomaly before it is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tocsin.domain.detect.budget import LEVEL, Peak
from tocsin.domain.detect.kinds import Kind, Severity

__all__ = ["Evidence", "Finding", "Subject"]


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose behaviour it is: an ``agent``, a ``tool`` of a server, a ``model`` of a provider.

    ``of`` is the server or the provider; empty where events name none. An org has one of kind
    ``org`` without names.
    """

    kind: str
    name: str = ""
    of: str = ""

    @property
    def names(self) -> dict[str, str]:
        """The names, as the fields of an event have them."""
        fields = {
            "agent": ("agent_id", ""),
            "tool": ("tool_name", "server_id"),
            "model": ("model", "provider"),
        }.get(self.kind, ("", ""))
        return {
            field: name
            for field, name in zip(fields, (self.name, self.of), strict=True)
            if field and name
        }


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a detector saw.

    ``seen`` and ``expected`` (or the ``threshold``, of a rule) are in ``unit``. ``peak`` is how
    unlikely it was, None where a rule says. ``series`` parts what one subject does of one kind:
    alerts are held back by kind, subject and it. It began at ``since_ms``; ``seqs`` show it.
    """

    kind: Kind
    severity: Severity
    description: str
    unit: str
    seen: float
    expected: float | None = None
    threshold: float | None = None
    peak: Peak | None = None
    series: str = ""
    since_ms: int | None = None
    seqs: tuple[int, ...] = ()
    details: Mapping[str, str | int | float] = field(default_factory=dict)

    @property
    def nats(self) -> float | None:
        """-ln of how likely it was; None where a rule says."""
        return None if self.peak is None else self.peak.excess + LEVEL


@dataclass(frozen=True, slots=True)
class Finding:
    """An anomaly that is to be told.

    ``names`` are the fields of the event that showed it (its session, its agent …) and of the
    subject. ``count`` is how many it stands for: itself, and those held back since the last.
    ``suspends``: the org wants the session that it names to be suspended.
    """

    subject: Subject
    evidence: Evidence
    severity: Severity
    at_ms: int
    count: int
    names: Mapping[str, str]
    suspends: bool = False
