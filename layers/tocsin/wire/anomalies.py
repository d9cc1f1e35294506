"""Anomalies as events: the fields of Igris' document, and KavachOS' in their ``data``."""

import math
from typing import Any

from tocsin.domain.detect.anomaly import Anomaly
from tocsin.domain.detect.finding import Finding
from tocsin.domain.detect.kinds import Kind
from tocsin.domain.times import iso_ms

__all__ = ["anomaly_of", "event_of", "probability"]


def event_of(finding: Finding) -> dict[str, Any]:
    """Return the event that tells of a finding."""
    evidence = finding.evidence
    found: dict[str, Any] = {
        "seen": evidence.seen,
        "unit": evidence.unit,
        "seqs": list(evidence.seqs),
        **evidence.details,
    }
    if evidence.expected is not None:
        found["expected"] = evidence.expected
    if evidence.threshold is not None:
        found["threshold"] = evidence.threshold
    if evidence.nats is not None:
        found["probability"] = probability(evidence.nats)
    if evidence.since_ms is not None:
        found["since"] = iso_ms(evidence.since_ms)
    event: dict[str, Any] = {
        "type": "anomaly",
        "anomaly_type": str(evidence.kind),
        "action": "alert",
        "status": finding.severity.word,
        "decision": {"message": evidence.description},  # where Rampart's clients look
        **finding.names,
        "data": {
            **({"agentId": finding.names["agent_id"]} if "agent_id" in finding.names else {}),
            "type": str(evidence.kind),
            "severity": finding.severity.word,
            "description": evidence.description,
            "count": finding.count,
            "detectedAt": iso_ms(finding.at_ms),
            "subject": {"kind": finding.subject.kind, **finding.subject.names},
            "evidence": found,
        },
    }
    if evidence.kind is Kind.RATE_SPIKE:
        event["current_rate"] = evidence.seen
        most = evidence.expected if evidence.threshold is None else evidence.threshold
        if most is not None:
            event["threshold"] = most
    return event


def anomaly_of(org: str, id: str, finding: Finding, change: str) -> Anomaly:
    """Return the alert that people can review; its id is its event's."""
    evidence = finding.evidence
    return Anomaly(
        org=org,
        id=id,
        kind=evidence.kind,
        severity=finding.severity,
        subject=finding.subject,
        series=evidence.series,
        description=evidence.description,
        at_ms=finding.at_ms,
        count=finding.count,
        nats=evidence.nats,
        seqs=evidence.seqs,
        change=change,
    )


def probability(nats: float) -> float:
    """Return how likely something was, of which -ln is given; never quite 0."""
    return math.exp(-min(nats, 700.0))
