"""What answers look like, as JSON schemas. Answers may get more fields; those here stay."""

from collections.abc import Iterable
from typing import Any, Final

from tocsin.domain import endpoints
from tocsin.domain.approvals import Expiry, Status
from tocsin.domain.budgets import COUNTED, PERIODS, SUBJECTS, BudgetAction
from tocsin.domain.deliveries import Outcome
from tocsin.domain.detect import anomaly
from tocsin.domain.detect.kinds import Kind, Severity
from tocsin.domain.keys import Scope
from tocsin.domain.policy import Decision
from tocsin.domain.privacy import Pii
from tocsin.domain.sessions import SessionStatus
from tocsin.wire.budgets import STATUSES

__all__ = ["SHAPES", "Schema", "array", "enum", "nullable", "obj", "ref", "text"]

type Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
FLAG: Final[Schema] = {"type": "boolean"}
COST: Final[Schema] = {"type": "number", "minimum": 0}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}
_NUMBER: Final[Schema] = {"type": "number"}
_SOME: Final[Schema] = {"type": "string", "minLength": 1}
ANYTHING: Final[Schema] = {}


def ref(name: str) -> Schema:
    """Return a reference to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def enum(values: Iterable[str]) -> Schema:
    """Return the schema of one of some texts."""
    return {"type": "string", "enum": [str(value) for value in values]}


def text(**bounds: Any) -> Schema:
    """Return the schema of a text within bounds."""
    return TEXT | bounds


def array(items: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


def nullable(schema: Schema) -> Schema:
    """Return the schema of what may be null."""
    return {"anyOf": [schema, {"type": "null"}]}


def obj(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    """Return the schema of an object that has the ``required`` fields, and perhaps the others."""
    fields = required | (optional or {})
    return {"type": "object", "required": list(required), "properties": fields}


def _page(items: str) -> Schema:
    return obj(
        {"data": array(ref(items)), "total": COUNT, "next_cursor": nullable(TEXT)},
    )


_FIGURES: Final = {
    "total_requests": COUNT,
    "total_cost_usd": COST,
    "error_count": COUNT,
    "last_model_used": nullable(TEXT),
    "first_seen_at": TEXT,
    "last_seen_at": TEXT,
    "first_seq": COUNT,
    "last_seq": COUNT,
    "events": COUNT,
    "denials": COUNT,
    "prompt_tokens": COUNT,
    "completion_tokens": COUNT,
    "total_tokens": COUNT,
}
_ROW: Final = {"requests": COUNT, "tokens": COUNT, "cost_usd": COST}
_DECIDED: Final = {"status_reason": TEXT, "status_by": TEXT, "status_at": TIME}
_KEY: Final = {
    "id": TEXT,
    "name": TEXT,
    "person": nullable(TEXT),
    "agent": nullable(TEXT),
    "delegated_by": nullable(TEXT),
    "scopes": array(enum(Scope)),
    "types": nullable(array(TEXT)),
    "created_at": TIME,
    "expires_at": nullable(TIME),
    "revoked_at": nullable(TIME),
}
_AGENT: Final = (
    {
        "id": TEXT,
        "name": TEXT,
        "description": nullable(TEXT),
        "framework": nullable(TEXT),
        "status": enum(("active", "idle", "error", "blocked", "retired")),
        "labels": {"type": "object", "additionalProperties": TEXT},
        "last_error_at": nullable(TEXT),
        **_FIGURES,
        **{name: nullable(TEXT) for name in ("first_seen_at", "last_seen_at")},
        **{name: nullable(COUNT) for name in ("first_seq", "last_seq")},
    },
    {"retired_at": TIME, "retired_reason": TEXT},
)
_RESOLVED: Final = {"resolved_at": TIME, "resolved_by": TEXT, "resolved_reason": TEXT}
_LISTED: Final = {
    "id": TEXT,
    "tool": TEXT,
    "command": TEXT,
    "agent": TEXT,
    "session": TEXT,
    "credential_owner": TEXT,
    "message": TEXT,
    "status": enum(Status),
    "run_id": TEXT,
    "created_at": TIME,
    "expires_at": TIME,
}
_SAID: Final = {
    "allowed": FLAG,
    "decision": enum(Decision),
    "message": TEXT,
    "eval_duration_us": COUNT,
}
_DECISION: Final = obj({"action": TEXT, "matched_policies": array(TEXT)})
_AUDITED: Final = {
    "id": TEXT,
    "timestamp": TEXT,
    "agent": TEXT,
    "session": TEXT,
    "tool": TEXT,
    "request": ANYTHING,
    "decision": _DECISION,
    "prev_hash": TEXT,
    "hash": TEXT,
    "type": TEXT,
    "seq": COUNT,
}
_REPLAY: Final = obj({"id": TEXT, "next_seq": COUNT, "to_seq": COUNT})
_ENDPOINT: Final = {
    "id": TEXT,
    "url": TEXT,
    "description": TEXT,
    "format": enum(endpoints.Format),
    "order": enum(endpoints.Order),
    "escalation": FLAG,
    "links": FLAG,
    "types": nullable(array(TEXT)),
    "agent_id": nullable(TEXT),
    "tool_name": nullable(TEXT),
    "action": nullable(TEXT),
    "severity": nullable(enum(severity.word for severity in Severity)),
    "has_token": FLAG,
    "public_keys": array(text(pattern="^whpk_")),
    "status": enum(endpoints.Status),
    "reason": nullable(TEXT),
    "created_at": TIME,
    "changed_at": TIME,
    "changed_by": TEXT,
    "through_seq": COUNT,
    "failing": array(
        obj(
            {
                "seq": COUNT,
                "attempts": COUNT,
                "first_attempt_at": nullable(TIME),
                "next_attempt_at": nullable(TIME),
            }
        )
    ),
    "delivered": COUNT,
    "given_up": COUNT,
    "last_delivered_at": nullable(TIME),
    "failing_since": nullable(TIME),
    "held_until": nullable(TIME),
    "slow_until": nullable(TIME),
    "replays": array(_REPLAY),
}
_DETAIL: Final = obj({"field": TEXT, "message": TEXT})
_SEVERITY: Final = enum(severity.word for severity in Severity)
_COUNTS: Final[Schema] = {"type": "object", "additionalProperties": COUNT}

SHAPES: Final[dict[str, Schema]] = {
    "Error": obj(
        {"error": text(description="For people; may change.")},
        {
            "code": text(description="For programs; stable."),
            "details": array(_DETAIL),
            "seq": {"type": "integer", "minimum": 1} | {"description": "The first bad one."},
            "unresolved_reviewed_ids": array(TEXT),
            "refresh_required": FLAG,
        },
    ),
    "Health": obj({"status": TEXT}),
    "Document": obj({"openapi": TEXT, "info": {"type": "object"}, "paths": {"type": "object"}}),
    "Created": obj({"id": TEXT, "status": enum(Status), "expires_at": TIME}, {"message": TEXT}),
    "Listed": obj(_LISTED),
    "Pending": obj(
        {
            "approvals": array(ref("Listed")),
            "run_groups": array(ref("RunGroup")),
            "run_grant_ttl_ms": COUNT,
        }
    ),
    "RunGroup": obj(
        {
            "agent": TEXT,
            "session": TEXT,
            "run_id": TEXT,
            "credential_owner": TEXT,
            "count": COUNT,
            "earliest_created_at": TIME,
            "items": array(ref("Listed")),
        }
    ),
    "Approval": obj(
        _LISTED,
        {
            "path": TEXT,
            "cwd": TEXT,
            "tool_call_id": TEXT,
            "reason": TEXT,
            "claimed_by": TEXT,
            "linked_by": TEXT,
            "sha256": text(pattern="^[0-9a-f]{64}$"),
            "input": ANYTHING,
            "on_expiry": enum(Expiry),
            "persisted": FLAG,
            **_RESOLVED,
        },
    ),
    "Resolved": obj({"id": TEXT, "status": enum(Status), "approved": FLAG, "persisted": FLAG}),
    "Links": obj({"approve_url": TEXT, "deny_url": TEXT, "expires_at": TIME}),
    "BulkResolved": obj(
        {
            "resolved": COUNT,
            "ids": array(TEXT),
            "reviewed_ids": array(TEXT),
            "race_covered_ids": array(TEXT),
            "scope": enum(("pending", "run")),
            "future_calls_authorized": FLAG,
        },
        {"grant_ttl_ms": COUNT, "grant_expires_at": TIME},
    ),
    "Decision": obj(
        {"id": TEXT, "status": enum(Status), "approved": nullable(FLAG), "expires_at": TIME},
        _RESOLVED,
    ),
    "Rule": obj(
        {
            "index": COUNT,
            "name": TEXT,
            "tool": TEXT,
            "command_pattern": TEXT,
            "path_pattern": TEXT,
            "agent": TEXT,
            "created": TIME,
            "created_by": TEXT,
        }
    ),
    "Rules": obj({"rules": array(ref("Rule"))}),
    "Removed": obj({"deleted": TEXT}),
    "Called": obj(
        _SAID,
        {
            "suggestions": array(TEXT),
            "suspended": FLAG,
            "policy": TEXT,
            "approval_id": TEXT,
            "approval_status": enum(Status),
            "expires_at": TIME,
        },
    ),
    "Preflight": obj(
        _SAID | {"matched_policies": array(TEXT), "enforced": FLAG},
        {"suggestions": array(TEXT), "suspended": FLAG},
    ),
    "Hooked": obj(
        {
            "decision": {"anyOf": [enum(Decision), {"type": "null"}]},
            "message": TEXT,
            "answer": {"type": "object"},
        },
        {"approval_id": TEXT, "expires_at": TIME},
    ),
    "Policies": obj(
        {"version": COUNT, "count": COUNT, "policies": TEXT},
        {"created_at": TIME, "created_by": TEXT},
    ),
    "DryRun": obj({"dry_run": {"const": True}, "count": COUNT}),
    "Tested": obj(
        {
            "results": array(
                obj(
                    {
                        "tool": TEXT,
                        "decision": enum(Decision),
                        "matched_policies": array(TEXT),
                        "message": TEXT,
                    },
                    {"expect": enum(Decision), "ok": FLAG},
                )
            ),
            "failed": COUNT,
        }
    ),
    "Status": obj(
        {
            "config_path": TEXT,
            "mode": TEXT,
            "default_action": enum(Decision),
            "policy_count": COUNT,
            "rule_count": COUNT,
            "call_counts": obj({"total": COUNT, "deny": COUNT}),
        }
    ),
    "Session": obj({"id": TEXT, "status": enum(SessionStatus), **_FIGURES}, _DECIDED),
    "Decided": obj({"id": TEXT, "status": enum(SessionStatus)}, _DECIDED),
    "Key": obj(_KEY),
    "Keys": obj({"data": array(ref("Key")), "total": COUNT}),
    "Issued": obj({"key": TEXT, **_KEY}),
    "Sessions": _page("Session"),
    "Agent": obj(*_AGENT),
    "CreatedAgent": obj(_AGENT[0], _AGENT[1] | {"key": ref("Issued")}),
    "Agents": _page("Agent"),
    "Budget": obj(
        {
            "id": TEXT,
            "name": TEXT,
            "of": enum(("org", *SUBJECTS)),
            "limits": {"type": "object", "additionalProperties": COST},
            "action": enum(BudgetAction),
            "enabled": FLAG,
            "status": enum(STATUSES),
            "exceeded": array(enum(PERIODS)),
            "usage": {
                "type": "object",
                "additionalProperties": obj(dict.fromkeys(COUNTED, _NUMBER)),
            },
            "created_at": TIME,
            "created_by": TEXT,
        },
        {f"{kind}_id": TEXT for kind in SUBJECTS},
    ),
    "Budgets": obj({"data": array(ref("Budget")), "total": COUNT}),
    "BudgetsOverview": obj(
        {"data": array(ref("Budget")), "total": COUNT, **dict.fromkeys(STATUSES, COUNT)}
    ),
    "Privacy": obj(
        {
            "pii": enum(Pii),
            "tags": array(obj({"tag": TEXT, "agent": TEXT, "tool": TEXT, "model": TEXT})),
            "erasable": FLAG,
            "set_by": nullable(TEXT),
            "set_at": nullable(TIME),
        }
    ),
    "Erasure": obj({"user_id": TEXT, "erased_by": TEXT, "erased_at": TIME}),
    "Detection": obj(
        {
            "enabled": FLAG,
            "false_alerts_per_day": COST,
            "kinds": array(enum(Kind)),
            "hours": nullable(
                obj({"from": TEXT, "to": TEXT, "days": array(COUNT), "time_zone": TEXT})
            ),
            "suspend_from": nullable(_SEVERITY),
            "set_by": nullable(TEXT),
            "set_at": nullable(TIME),
            "known_kinds": array(
                obj(
                    {
                        "kind": enum(Kind),
                        "severity": _SEVERITY,
                        "budgeted": FLAG,
                        "on": FLAG,
                        "says": TEXT,
                    }
                )
            ),
        }
    ),
    "Anomaly": obj(
        {
            "id": TEXT,
            "kind": enum(Kind),
            "severity": _SEVERITY,
            "status": enum(anomaly.Status),
            "description": TEXT,
            "subject": {"type": "object", "additionalProperties": TEXT},
            "detected_at": TIME,
            "count": COUNT,
            "seqs": array(COUNT),
        },
        _DECIDED | {"until": TIME, "probability": COST},
    ),
    "Anomalies": obj({"data": array(ref("Anomaly"))}),
    "Endpoint": obj(_ENDPOINT),
    "OtlpAnswer": obj(
        {},
        {
            "partialSuccess": obj(
                {},
                {
                    "rejectedSpans": text(),
                    "rejectedLogRecords": text(),
                    "rejectedDataPoints": text(),
                    "errorMessage": text(),
                },
            )
        },
    ),
    "OtlpStatus": obj(
        {"code": {"type": "integer"}, "message": text()},
        {"details": array({"type": "object"})},
    ),
    "CreatedEndpoint": obj(_ENDPOINT | {"secret": nullable(text(pattern="^whsec_"))}),
    "ReplayedEndpoint": obj(
        _ENDPOINT | {"replay": _REPLAY, "expired_through_seq": nullable(COUNT)}
    ),
    "Endpoints": obj(
        {
            "data": array(ref("Endpoint")),
            "total": COUNT,
            "unreadable": array(obj({"id": TEXT, "url": nullable(TEXT), "reason": TEXT})),
        }
    ),
    "EndpointTest": obj({"event_id": TEXT}),
    "Deliveries": obj(
        {
            "data": array(
                obj(
                    {
                        "seq": COUNT,
                        "until_seq": COUNT,
                        "event_id": TEXT,
                        "type": TEXT,
                        "attempt": COUNT,
                        "at": TIME,
                        "outcome": enum(Outcome),
                        "status": nullable(COUNT),
                        "latency_ms": COUNT,
                        "error": nullable(TEXT),
                        "answer": nullable(TEXT),
                        "given_up": FLAG,
                    }
                )
            )
        }
    ),
    "CostsSummary": obj(
        {
            "total_cost_usd": COST,
            "total_requests": COUNT,
            "total_tokens": COUNT,
            "avg_latency_ms": nullable(COST),
            "period_start": TIME,
            "period_end": TIME,
        }
    ),
    "CostsBreakdown": obj(
        {"data": array(obj({"group": TEXT, "other": FLAG, **_ROW})), "total": COUNT}
    ),
    "CostsTimeseries": obj({"data": array(obj({"timestamp": TIME, **_ROW})), "total": COUNT}),
    "Usage": obj({"month": TEXT, "quota": COUNT, "used": COUNT, "left": COUNT}),
    # The other services'
    "Ingested": obj(
        {
            "data": obj(
                {"ingested": COUNT, "rejected": COUNT},
                {
                    "errors": array(obj({"index": COUNT, "details": array(_DETAIL)})),
                    "sealed": FLAG,
                    "events": array(
                        obj({"id": TEXT, "seq": nullable(COUNT), "hash": nullable(TEXT)})
                    ),
                },
            ),
            "meta": obj({"remainingQuota": COUNT}, {"ignoredFields": array(TEXT)}),
        }
    ),
    "CloudEvent": obj(
        {"specversion": enum(("1.0",)), "id": _SOME, "source": _SOME, "type": _SOME},
        {
            "time": TIME,
            "subject": TEXT,
            "datacontenttype": TEXT,
            "dataschema": TEXT,
            "data": ANYTHING,
            "data_base64": TEXT,
        },
    ),
    "CloudEventsTaken": obj(
        {
            "data": obj(
                {"ingested": COUNT, "duplicates": COUNT, "rejected": COUNT},
                {
                    "errors": array(obj({"index": COUNT, "details": array(_DETAIL)})),
                    "suspended": FLAG,
                },
            ),
            "meta": obj({"remainingQuota": COUNT}),
        }
    ),
    "Event": obj({"id": TEXT}),
    "AuditEvent": obj(_AUDITED),
    "AuditPage": obj(
        {
            "events": array(ref("AuditEvent")),
            "total_in_file": COUNT,
            "next_offset": COUNT,
            "date": TEXT,
        }
    ),
    "AuditDates": obj({"dates": array(TEXT), "configured": FLAG}),
    "AuditStats": obj(
        {
            "total_events": COUNT,
            "by_action": _COUNTS,
            "by_tool": _COUNTS,
            "by_agent": _COUNTS,
            "by_session": _COUNTS,
            "next_before": nullable(COUNT),
        }
    ),
    "Verified": obj(
        {
            "ok": FLAG,
            "from": COUNT,
            "to": COUNT,
            "first_bad_seq": nullable(COUNT),
            "reason": nullable(TEXT),
            "next": nullable(COUNT),
        }
    ),
    "Rehearsed": obj(
        {
            "anomalies": array({"type": "object"}),
            "total": COUNT,
            "looked_at": COUNT,
            "trained_on": COUNT,
            "through_seq": COUNT,
        }
    ),
    "SignedIn": obj(
        {
            "org": TEXT,
            "scopes": array(TEXT),
            "expires_at": nullable(TIME),
            "orgs": array(TEXT),
        }
    ),
    "Ticket": obj({"ticket": TEXT, "expires_in": COUNT}),
    "StreamHealth": obj({"status": TEXT, "ledger": TEXT, "broker": TEXT}),
}
