"""Events in OCSF 1.8: anomalies are Detection Findings (2004), all else is API Activity (6003).

Each record has the sealed entry, whole (``raw_data``), and the hashes on both sides of it
(``unmapped``): an archive is proved by itself. See https://schema.ocsf.io/1.8.0/classes/api_activity
and https://schema.ocsf.io/1.8.0/classes/detection_finding.
"""

from collections.abc import Mapping
from typing import Any, Final

from tocsin import __version__
from tocsin.domain.segment import SealedEvent
from tocsin.domain.times import time_ms
from tocsin.wire import summary
from tocsin.wire.notify.fields import REVIEWED, said

__all__ = ["VERSION", "record"]

VERSION: Final = "1.8.0"

_API, _FINDING = (6, 6003), (2, 2004)  # category and class
_CREATE, _UPDATE, _CLOSE, _OTHER = 1, 2, 3, 99
_INFORMATIONAL, _MEDIUM, _CRITICAL = (1, "Informational"), (3, "Medium"), (5, "Critical")
_SEVERITIES: Final = {"warning": _MEDIUM, "critical": _CRITICAL}
_SUCCESS, _FAILURE, _UNKNOWN = (1, "Success"), (2, "Failure"), (0, "Unknown")
_FAILED: Final = frozenset({"error", "failed", "failure", "timeout"})
_NEW, _IN_PROGRESS, _SUPPRESSED = (1, "New"), (2, "In Progress"), (3, "Suppressed")
_STATISTICAL: Final = 3  # of analytics
_AGENT: Final = "AI agent"


def record(event: SealedEvent, org: str) -> dict[str, Any]:
    """Return an event of an org as an OCSF record."""
    fields = event.parse()
    type = said(fields, "type")
    mapped = _finding(type, fields) if type in ("anomaly", REVIEWED) else _activity(fields)
    return mapped | {
        "time": summary.at_ms(fields),
        "metadata": _metadata(fields, org),
        "raw_data": event.entry.decode(),
        "unmapped": {"prev_hash": fields["prev_hash"], "hash": fields["hash"]},
    }


def _metadata(fields: Mapping[str, Any], org: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "version": VERSION,
        "product": {"name": "Tocsin", "vendor_name": "Tocsin", "version": __version__},
        "uid": said(fields, "id"),
        "event_code": said(fields, "type"),
        "sequence": fields["seq"],
        "tenant_uid": org,
        "log_name": "ledger",
        "original_time": said(fields, "timestamp"),
        "profiles": ["trace"] if said(fields, "trace_id") else [],
    }
    if correlation := said(fields, "run_id") or said(fields, "data", "approval_id"):
        metadata["correlation_uid"] = correlation
    if own_id := said(fields, "source_id"):
        metadata["original_event_uid"] = own_id
    if (logged := time_ms(said(fields, "received_at"))) is not None:
        metadata["logged_time"] = logged
    return metadata


def _activity(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an agent, or whoever, did; OCSF's activities are create, read, update, delete."""
    type, agent = said(fields, "type"), said(fields, "agent_id")
    severity = _MEDIUM if said(fields, "action") in ("deny", "alert") else _INFORMATIONAL
    mapped = _classified(_API, _OTHER, severity) | {
        "activity_name": type,
        "actor": _actor(fields),
        "api": _api(fields),
        "src_endpoint": {"name": agent or said(fields, "source") or "unknown", "type": _AGENT},
    }
    if not agent:
        del mapped["src_endpoint"]["type"]
    mapped["status_id"], mapped["status"] = _status(fields)
    if detail := said(fields, "status"):
        mapped["status_detail"] = detail
    if message := said(fields, "decision", "message"):
        mapped["message"] = message
    if server := said(fields, "server_id"):
        mapped["dst_endpoint"] = {"svc_name": server}
    if trace := said(fields, "trace_id"):
        mapped["trace"] = {"uid": trace}  # a span has two times there; an event has one
    return mapped


def _actor(fields: Mapping[str, Any]) -> dict[str, Any]:
    actor: dict[str, Any] = {}
    if agent := said(fields, "agent_id"):
        actor |= {"app_name": agent, "app_uid": agent}
    if user := said(fields, "user_id"):
        actor["user"] = {"uid": user}
    if session := said(fields, "session_id"):
        actor["session"] = {"uid": session}
    return actor or {"app_name": said(fields, "source") or "unknown"}


def _api(fields: Mapping[str, Any]) -> dict[str, Any]:
    api: dict[str, Any] = {"operation": said(fields, "tool_name") or said(fields, "type")}
    call = said(fields, "tool_call_id") or said(fields, "id")
    request: dict[str, Any] = {"uid": call}
    if isinstance(fields.get("request"), Mapping):
        request["data"] = fields["request"]
    service = said(fields, "server_id") or said(fields, "provider")
    return api | {"request": request} | ({"service": {"name": service}} if service else {})


def _status(fields: Mapping[str, Any]) -> tuple[int, str]:
    if said(fields, "action") == "deny" or said(fields, "status").lower() in _FAILED:
        return _FAILURE
    return _SUCCESS if said(fields, "action") == "allow" else _UNKNOWN


def _finding(type: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return an alert, or what people said of one: both have the alert's id."""
    new = type == "anomaly"
    kind, status = said(fields, "anomaly_type"), said(fields, "status")
    uid = said(fields, "id") if new else said(fields, "data", "anomaly_id")
    severity = _SEVERITIES.get(status, _INFORMATIONAL)
    closed = not new and status != "acknowledged"
    mapped = _classified(_FINDING, _CREATE if new else _CLOSE if closed else _UPDATE, severity)
    mapped["status_id"], mapped["status"] = _NEW if new else _SUPPRESSED if closed else _IN_PROGRESS
    info: dict[str, Any] = {
        "uid": uid or said(fields, "id"),
        "title": kind or type,
        "types": [kind or type],
        "analytic": {"name": kind or type, "type_id": _STATISTICAL, "type": "Statistical"},
    }
    if text := said(fields, "data", "description") or said(fields, "data", "reason"):
        info["desc"] = text
        mapped["message"] = text
    if (since := time_ms(said(fields, "data", "evidence", "since"))) is not None:
        info["first_seen_time"] = since
    mapped |= {"finding_info": info, "is_alert": new}
    evidence = fields["data"].get("evidence") if isinstance(fields.get("data"), Mapping) else None
    if isinstance(evidence, Mapping):
        mapped["evidences"] = [{"data": evidence, "actor": _actor(fields)}]
    names = {"agent_id": _AGENT, "tool_name": "Tool", "model": "Model"}
    resources = [
        {"name": name, "uid": name, "type": kind}
        for field, kind in names.items()
        if (name := said(fields, field))
    ]
    return mapped | ({"resources": resources} if resources else {})


def _classified(
    category_and_class: tuple[int, int], activity: int, severity: tuple[int, str]
) -> dict[str, Any]:
    category, number = category_and_class
    return {
        "category_uid": category,
        "class_uid": number,
        "activity_id": activity,
        "type_uid": number * 100 + activity,
        "severity_id": severity[0],
        "severity": severity[1],
    }
