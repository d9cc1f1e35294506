"""The API function's own routes, by use case."""

from dataclasses import replace
from typing import Any, Final

from pydantic import TypeAdapter

from functions.api.describing.operation import JSON, Answer, Operation
from functions.api.describing.shapes import Schema, enum, ref, text
from tocsin.domain.detect.anomaly import Status
from tocsin.domain.detect.kinds import Kind
from tocsin.domain.errors import (
    Changed,
    Conflict,
    Forbidden,
    Invalid,
    LimitReached,
    NotFound,
    OutcomeUnknown,
    Over,
    PartlyDone,
    QueueFull,
    QuotaExhausted,
    TooLarge,
    TooOften,
    Unauthenticated,
)
from tocsin.domain.limits import (
    DEFAULT_LIST_EVENTS,
    LONGEST_HOOK_HOLD_SECONDS,
    MAX_LIST_EVENTS,
    MAX_NAME_CHARS,
    MAX_PENDING_APPROVALS,
    SHORTEST_APPROVAL_SECONDS,
)
from tocsin.wire import (
    agents,
    approvals,
    budgets,
    costs,
    detection,
    endpoints,
    indexes,
    keys,
    links,
    policies,
    privacy,
    reviews,
    sessions,
    sign_ins,
)
from tocsin.wire.intake.hooks.asking import ASKING
from tocsin.wire.parameters import MAX_NUMBER

__all__ = ["OWN"]

TIME: Final[Schema] = {"type": "string", "format": "date-time"}
_PAGE: Final = {
    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIST_EVENTS}
    | {"default": DEFAULT_LIST_EVENTS},
    "cursor": text(pattern=f"^({indexes.CURSOR.pattern})?$"),
}
_PAGE_OF_AGENTS: Final = _PAGE | {
    "cursor": text(pattern=f"^({indexes.CURSOR_OF_AGENTS.pattern})?$")
}
_SPAN: Final[dict[str, Schema]] = {"from": TIME, "to": TIME}
_GRANULARITY: Final = {"granularity": enum(costs.GRANULARITIES) | {"default": "day"}}
_COOKIE: Final = {"Set-Cookie": {"required": True, "schema": {"type": "string"}}}
_NEXT_PAGE: Final = {"Link": {"schema": {"type": "string"}, "description": "The next page."}}


def _of(id: str) -> dict[str, Any]:
    """Return the links of an answer that names an approval."""
    return {
        "show": {"operationId": "get_approval", "parameters": {"id": id}},
        "resolve": {
            "operationId": "resolve",
            "parameters": {"id": id},
            "requestBody": {"approved": True, "persist": True},
        },
        "link": {"operationId": "make_links", "parameters": {"id": id}},
    }


_BUDGET: Final = {
    name: {"operationId": f"{name}_budget", "parameters": {"id": "$response.body#/id"}}
    for name in ("get", "put", "delete")
}
_ENDPOINT: Final = {
    name: {"operationId": operation, "parameters": {"id": "$response.body#/id"}}
    for name, operation in (
        ("get", "get_endpoint"),
        ("update", "update_endpoint"),
        ("pause", "pause_endpoint"),
        ("resume", "resume_endpoint"),
        ("rotate", "rotate_endpoint"),
        ("test", "test_endpoint"),
        ("replay", "replay_endpoint"),
        ("deliveries", "list_deliveries"),
        ("given_up", "list_given_up"),
        ("remove", "remove_endpoint"),
    )
}
_PAGE_OF_HTML: Final = Answer({"type": "string"}, media="text/html")
_LINK: Final[dict[str, Schema]] = {
    "org": text(description="Of a signed link, as its other parts."),
    "approved": enum(("true", "false")),
    "exp": {"type": "integer", "minimum": 1},
    "key": text(pattern="^[a-z0-9-]{1,64}$"),
    "sig": text(pattern="^[A-Za-z0-9_-]{43}$"),
}
_CALLED: Final = {
    200: Answer("Called", "It may be made."),
    202: Answer("Called", "A person is asked.", links=_of("$response.body#/approval_id")),
    403: Answer("Called", "It may not be made."),
}
_WRITES: Final = (Invalid, TooLarge, OutcomeUnknown)
_RECORDS: Final = (*_WRITES, QuotaExhausted, LimitReached, QueueFull, Changed)
_A_CALL: Final = {
    "agent": "claude",
    "session": "s",
    "params": {"command": "rm -rf build"},
}
_A_HOOK: Final = {"examples": [{"hook_event_name": "SessionStart", "session_id": "s"}]}
_A_RUN: Final = {"agent": "claude", "session": "s", "run_id": "r"}


def _decides(says: str) -> Operation:
    return Operation(
        says=says,
        body=sessions.DECIDE,
        example={"reason": "it deletes too much"},
        answers={200: Answer("Decided")},
        refusals=(*_WRITES, NotFound, Conflict),
    )


def _reviews(says: str, body: TypeAdapter[Any], example: Any) -> Operation:
    return Operation(
        says=says,
        body=body,
        example=example,
        answers={200: Answer("Anomaly")},
        refusals=(*_WRITES, NotFound, Conflict),
    )


def _steers(says: str, body: TypeAdapter[Any], example: Any) -> Operation:
    return Operation(
        says=says,
        body=body,
        example=example,
        answers={200: Answer("Endpoint")},
        refusals=(*_WRITES, NotFound),
    )


def _lists_attempts(says: str) -> Operation:
    return Operation(
        says=says,
        query={"limit": _PAGE["limit"], "before": text(pattern=f"^({endpoints.PLACE.pattern})?$")},
        answers={200: Answer("Deliveries", headers=_NEXT_PAGE)},
        refusals=(NotFound,),
    )


OWN: Final[dict[str, Operation]] = {
    "openapi": Operation(says="This document", answers={200: Answer("Document")}),
    "health": Operation(says="Whether the API answers", answers={200: Answer("Health")}),
    "ready": Operation(
        says="Whether the API can read the state table", answers={200: Answer("Health")}
    ),
    "metrics": Operation(
        says="For Prometheus",
        answers={200: Answer({"type": "string"}, media="text/plain")},
    ),
    "create_approval": Operation(
        says="Ask for an approval",
        body=approvals.CREATE,
        example={"tool": "exec", "agent": "claude", "message": "may I?", "command": "rm -rf build"},
        answers={
            200: Answer("Created", "It is approved already."),
            201: Answer("Created", "A person is asked.", links=_of("$response.body#/id")),
        },
        refusals=(*_WRITES, QueueFull, Changed),
    ),
    "list_approvals": Operation(
        says="The calls that wait, oldest first",
        query={
            "limit": {"type": "integer", "minimum": 1, "maximum": MAX_PENDING_APPROVALS}
            | {"default": MAX_PENDING_APPROVALS},
            "after": text(maxLength=MAX_NAME_CHARS, pattern="^[\\x00-\\x7f]*$"),
        },
        answers={
            200: Answer("Pending", headers=_NEXT_PAGE, links=_of("$response.body#/approvals/0/id"))
        },
    ),
    "get_approval": Operation(
        says="One approval, whole",
        scopes="read, approve, or the key that asked",
        answers={200: Answer("Approval")},
        refusals=(NotFound,),
    ),
    "resolve": Operation(
        says="Answer one approval; with a link, which needs no body and no key",
        query=_LINK,
        body=approvals.RESOLVE,
        example={"approved": True, "reason": "it is a build folder"},
        answers={
            200: Answer(
                "Resolved",
                links={
                    "show": {
                        "operationId": "get_approval",
                        "parameters": {"id": "$response.body#/id"},
                    },
                    "rules": {"operationId": "list_rules"},
                },
            )
        },
        refusals=(*_WRITES, NotFound, Over, Changed),
    ),
    "show_link": Operation(
        says="The page behind a signed link, which asks for its answer and changes nothing",
        query=_LINK,
        answers={
            200: replace(_PAGE_OF_HTML, says="The call waits."),
            403: replace(_PAGE_OF_HTML, says="The link opens nothing."),
            410: replace(_PAGE_OF_HTML, says="It was resolved before, or has expired."),
        },
    ),
    "make_links": Operation(
        says="Signed links to both answers of an approval",
        body=links.MAKE,
        answers={200: Answer("Links")},
        refusals=(*_WRITES, NotFound, Over, Conflict),
    ),
    "bulk_resolve": Operation(
        says="Answer several of one run: all, or none",
        body=approvals.BULK,
        example=_A_RUN | {"action": "approve", "scope": "pending", "ids": ["apr_1", "apr_2"]},
        answers={200: Answer("BulkResolved")},
        refusals=(*_WRITES, Changed, PartlyDone),
    ),
    "list_rules": Operation(
        says="What is always approved",
        answers={
            200: Answer(
                "Rules",
                links={
                    "remove": {
                        "operationId": "remove_rule",
                        "parameters": {"name": "$response.body#/rules/0/name"},
                    }
                },
            )
        },
    ),
    "remove_rule": Operation(
        says="Have it asked for again",
        answers={200: Answer("Removed")},
        refusals=(NotFound, OutcomeUnknown, Changed),
    ),
    "call_tool": Operation(
        says="Decide about a call, and record it",
        body=policies.CALL,
        example=_A_CALL,
        answers=_CALLED,
        refusals=_RECORDS,
    ),
    "preflight": Operation(
        says="What would be decided; nothing is recorded without enforce",
        body=policies.CALL,
        example=_A_CALL,
        answers={200: Answer("Preflight")},
        refusals=_RECORDS,
    ),
    **{
        f"hook_{product.replace('-', '_')}": Operation(
            says=f"What a hook of {product} tells: decided, if it waits for that, and recorded",
            query={
                "agent": text(maxLength=MAX_NAME_CHARS),
                "grant": {"type": "boolean", "default": False},
                "hold": {
                    "type": "integer",
                    "minimum": SHORTEST_APPROVAL_SECONDS,
                    "maximum": LONGEST_HOOK_HOLD_SECONDS,
                },
                "approval": text(pattern="^(apr_[0-7][0-9a-hjkmnp-tv-z]{23}00)?$"),
            },
            body={JSON: {"type": "object"} | _A_HOOK},
            answers={
                200: Answer({"type": "object"}, "The product's own; with hold it is `answer`."),
                202: Answer(
                    "Hooked",
                    "With hold: a person is asked.",
                    links=_of("$response.body#/approval_id"),
                ),
            },
            refusals=_RECORDS,
        )
        for product in ASKING
    },
    "get_policies": Operation(
        says="The org's policies, in Cedar",
        query={"version": {"type": "integer", "minimum": 0, "maximum": MAX_NUMBER}},
        answers={200: Answer("Policies")},
        refusals=(NotFound,),
    ),
    "put_policies": Operation(
        says="Change them",
        query={"dry_run": {"type": "boolean", "default": False}},
        body=policies.PUT,
        example={"policies": '@id("all") permit(principal, action, resource);'},
        answers={200: Answer({"anyOf": [ref("Policies"), ref("DryRun")]})},
        refusals=(*_WRITES, Changed),
    ),
    "test_policies": Operation(
        says="What they, or those given, say of calls",
        body=policies.TEST,
        example={"calls": [{"tool": "exec", "params": {"command": "ls"}, "expect": "allow"}]},
        answers={200: Answer("Tested")},
        refusals=_WRITES,
    ),
    "status": Operation(says="Which policies hold, and how many", answers={200: Answer("Status")}),
    "list_sessions": Operation(
        says="Sessions, the newest seen first",
        query=_PAGE,
        answers={200: Answer("Sessions")},
    ),
    "get_session": Operation(
        says="One session", answers={200: Answer("Session")}, refusals=(NotFound,)
    ),
    "list_agents": Operation(
        says="Agents, the newest seen first, and then those that have sent nothing",
        query=_PAGE_OF_AGENTS,
        answers={200: Answer("Agents")},
    ),
    "get_agent": Operation(says="One agent", answers={200: Answer("Agent")}, refusals=(NotFound,)),
    "list_budgets": Operation(
        says="The org's budgets, and what was used of each", answers={200: Answer("Budgets")}
    ),
    "budgets_overview": Operation(
        says="The same, and how many are used up", answers={200: Answer("BudgetsOverview")}
    ),
    "create_budget": Operation(
        says="Set limits for an agent, a user, a session or the org",
        body=budgets.PUT,
        example={"user_id": "maria", "limits": {"cost_usd_per_month": 100}, "action": "block"},
        answers={201: Answer("Budget", links=_BUDGET)},
        refusals=(*_WRITES, Conflict),
    ),
    "get_budget": Operation(
        says="One budget", answers={200: Answer("Budget")}, refusals=(NotFound,)
    ),
    "put_budget": Operation(
        says="Change a budget: what is left out is as in a new one",
        body=budgets.PUT,
        example={"limits": {"tokens_per_day": 1_000_000}},
        answers={200: Answer("Budget")},
        refusals=(*_WRITES, NotFound),
    ),
    "delete_budget": Operation(
        says="Remove a budget",
        answers={200: Answer("Removed")},
        refusals=(NotFound, OutcomeUnknown),
    ),
    "get_agent_budget": Operation(
        says="The budget that an agent has by this route",
        answers={200: Answer("Budget")},
        refusals=(NotFound,),
    ),
    "put_agent_budget": Operation(
        says="Set it",
        body=budgets.OF_AGENT,
        example={"limits": {"calls_per_day": 1_000}, "action": "throttle"},
        answers={200: Answer("Budget")},
        refusals=(*_WRITES, Conflict),
    ),
    "delete_agent_budget": Operation(
        says="Remove it",
        answers={200: Answer("Removed")},
        refusals=(NotFound, OutcomeUnknown),
    ),
    "create_agent": Operation(
        says="Create an agent, with a key of its own if you like; its token is in the answer, once",
        body=agents.CREATE,
        example={"id": "claude", "framework": "mcp", "key": {"scopes": ["ingest"]}},
        answers={
            201: Answer(
                "CreatedAgent",
                links={
                    name: {"operationId": operation, "parameters": {"id": "$response.body#/id"}}
                    for name, operation in (("show", "get_agent"), ("retire", "retire_agent"))
                },
            )
        },
        refusals=(*_WRITES, Conflict),
    ),
    "update_agent": Operation(
        says="Describe an agent; what is not given stays",
        body=agents.UPDATE,
        example={"name": "Claude", "labels": {"team": "payments"}},
        answers={200: Answer("Agent")},
        refusals=(*_WRITES, NotFound),
    ),
    "retire_agent": Operation(
        says="Have an agent's calls denied",
        body=agents.RETIRE,
        example={"reason": "replaced"},
        answers={200: Answer("Agent")},
        refusals=(*_WRITES, NotFound),
    ),
    "get_detection": Operation(
        says="How the org is watched, and what each kind of anomaly is",
        answers={200: Answer("Detection")},
    ),
    "put_detection": Operation(
        says="Change it: what is left out is as where nobody set anything",
        body=detection.PUT,
        example={
            "false_alerts_per_day": 1,
            "hours": {"from": "08:00", "to": "18:00", "time_zone": "Europe/Berlin"},
            "suspend_from": "critical",
        },
        answers={200: Answer("Detection")},
        refusals=_WRITES,
    ),
    "get_privacy": Operation(
        says="What becomes of personal data in events, and which tags they get",
        answers={200: Answer("Privacy")},
    ),
    "put_privacy": Operation(
        says="Change it: what is left out is as where nobody set anything",
        body=privacy.PUT,
        example={"pii": "mask", "tags": [{"tag": "gdpr", "agent": "crm-*"}], "erasable": True},
        answers={200: Answer("Privacy")},
        refusals=_WRITES,
    ),
    "erase_user": Operation(
        says="Destroy the key under which it is stored what events say of a user",
        body=privacy.ERASE,
        example={"user_id": "user_7", "reason": "GDPR, article 17"},
        answers={200: Answer("Erasure")},
        refusals=(*_WRITES, NotFound, Conflict),
    ),
    "list_anomalies": Operation(
        says="Alerts, the newest first",
        query={
            "limit": _PAGE["limit"],
            "before": text(pattern="^(evt_[0-7][0-9a-hjkmnp-tv-z]{25})?$"),
            "status": enum(Status),
            "kind": enum(Kind),
            "agent_id": text(minLength=1, maxLength=MAX_NAME_CHARS),
        },
        answers={200: Answer("Anomalies", headers=_NEXT_PAGE)},
    ),
    "get_anomaly": Operation(
        says="One alert", answers={200: Answer("Anomaly")}, refusals=(NotFound,)
    ),
    "acknowledge_anomaly": _reviews(
        "Say that an alert was seen", reviews.REVIEW, {"reason": "the nightly import"}
    ),
    "snooze_anomaly": _reviews(
        "Have no more alerts like it for a while", reviews.SNOOZE, {"seconds": 3_600}
    ),
    "false_positive": _reviews(
        "Have alerts like it only where more is seen than was", reviews.REVIEW, {"reason": "usual"}
    ),
    "list_endpoints": Operation(
        says="The org's endpoints, and how far each is; whole URLs for admins alone. Those that "
        "can't be read are `unreadable`: they are sent nothing, and can be removed",
        answers={200: Answer("Endpoints")},
    ),
    "create_endpoint": Operation(
        says="Have events sent to a URL, from now on; its secret is in the answer, once",
        body=endpoints.CREATE,
        example={
            "url": "https://hooks.example.com/tocsin",
            "types": ["approval.created", "anomaly.detected"],
        },
        answers={201: Answer("CreatedEndpoint", links=_ENDPOINT)},
        refusals=(*_WRITES, Conflict),
    ),
    "get_endpoint": Operation(
        says="One endpoint", answers={200: Answer("Endpoint")}, refusals=(NotFound,)
    ),
    "update_endpoint": Operation(
        says="Change an endpoint; what is not given stays",
        body=endpoints.UPDATE,
        example={"description": "the SIEM", "types": None, "severity": "warning"},
        answers={200: Answer("Endpoint")},
        refusals=(*_WRITES, NotFound),
    ),
    "remove_endpoint": Operation(
        says="Remove an endpoint",
        answers={200: Answer("Removed")},
        refusals=(NotFound, Changed, OutcomeUnknown),
    ),
    "pause_endpoint": _steers(
        "Have nothing sent until it is resumed", endpoints.PAUSE, {"reason": "moving house"}
    ),
    "resume_endpoint": _steers(
        "Have it sent what it was not, or only what follows",
        endpoints.RESUME,
        {"skip_missed": True},
    ),
    "rotate_endpoint": Operation(
        says="Sign with another secret, and with the one before for a while; it is told once",
        body=endpoints.ROTATE,
        example={"overlap_seconds": 3_600},
        answers={200: Answer("CreatedEndpoint")},
        refusals=(*_WRITES, NotFound, Conflict),
    ),
    "test_endpoint": Operation(
        says="Have an event sent to it alone; its delivery is listed as soon as it was tried",
        body=endpoints.TEST,
        example={},
        answers={202: Answer("EndpointTest")},
        refusals=(*_WRITES, NotFound, Conflict),
    ),
    "replay_endpoint": Operation(
        says="Have it sent a part of the ledger once more",
        body=endpoints.REPLAY,
        example={"from_seq": 1},
        answers={202: Answer("ReplayedEndpoint")},
        refusals=(*_WRITES, NotFound, Over, LimitReached),
    ),
    "list_deliveries": _lists_attempts("What was attempted, the newest first"),
    "list_given_up": _lists_attempts("What was given up, the newest first"),
    "costs_summary": Operation(
        says="What calls cost",
        query=_SPAN | _GRANULARITY,
        answers={200: Answer("CostsSummary")},
    ),
    "costs_breakdown": Operation(
        says="The same by agent, model, tool or protocol",
        query=_SPAN | {"group_by": enum(sorted(costs.GROUPS)) | {"default": "agent"}},
        answers={200: Answer("CostsBreakdown")},
    ),
    "costs_timeseries": Operation(
        says="The same by hour, day, week or month",
        query=_SPAN | _GRANULARITY | {"agent_id": text(minLength=1, maxLength=MAX_NAME_CHARS)},
        answers={200: Answer("CostsTimeseries")},
    ),
    "usage": Operation(
        says="What the key's org has used of this month's quota", answers={200: Answer("Usage")}
    ),
    "create_key": Operation(
        says="Make an API key; its token is in the answer, once",
        body=keys.CREATE,
        example={"scopes": ["approve"], "person": "maria@example.com"},
        answers={
            201: Answer(
                "Issued",
                links={
                    "rotate": {
                        "operationId": "rotate_key",
                        "parameters": {"id": "$response.body#/id"},
                    },
                    "revoke": {
                        "operationId": "revoke_key",
                        "parameters": {"id": "$response.body#/id"},
                    },
                },
            )
        },
        refusals=_WRITES,
    ),
    "list_keys": Operation(says="The org's API keys", answers={200: Answer("Keys")}),
    "rotate_key": Operation(
        says="Make a key that may do the same; the old one works on for a while",
        body=keys.ROTATE,
        example={"overlap_seconds": 3_600},
        answers={201: Answer("Issued")},
        refusals=(*_WRITES, NotFound),
    ),
    "revoke_key": Operation(
        says="Revoke a key", answers={200: Answer("Key")}, refusals=(NotFound, OutcomeUnknown)
    ),
    "delegate": Operation(
        says="Make a key that may do a part of what this one may, for a day at most",
        body=keys.DELEGATE,
        example={"scopes": ["ingest"], "agent": "claude/reviewer"},
        answers={
            201: Answer(
                "Issued",
                links={
                    "revoke": {
                        "operationId": "revoke_delegation",
                        "parameters": {"id": "$response.body#/id"},
                    }
                },
            )
        },
        refusals=(*_WRITES, LimitReached),
    ),
    "list_delegations": Operation(
        says="The keys that this one delegated; with the scope admin all that were delegated",
        answers={200: Answer("Keys")},
    ),
    "revoke_delegation": Operation(
        says="Revoke a delegated key, and those that it delegated",
        scopes="any, of a key that it was delegated by; or admin",
        answers={200: Answer("Key")},
        refusals=(NotFound, OutcomeUnknown),
    ),
    "sign_in": Operation(
        says="Sign in: a cookie in exchange for a key; with add, the cookie's orgs stay",
        body=sign_ins.SIGN_IN,
        example={},
        answers={201: Answer("SignedIn", headers=_COOKIE)},
        refusals=(*_WRITES, Conflict),
    ),
    "who": Operation(says="Who is signed in", answers={200: Answer("SignedIn")}),
    "sign_out": Operation(
        says="Sign out of every org; with everywhere, all who signed in with the same keys",
        query={"everywhere": {"type": "boolean", "default": False}},
        answers={204: Answer(None, headers=_COOKIE)},
        refusals=(Unauthenticated, Forbidden, TooOften, OutcomeUnknown),
    ),
    "switch_org": Operation(
        says="Make another org active that the cookie holds a key of; the cookie alone counts",
        body=sign_ins.SWITCH,
        example={"org": "acme"},
        answers={200: Answer("SignedIn", headers=_COOKIE)},
        refusals=(*_WRITES, NotFound),
    ),
    "suspend_session": _decides("Have a session's calls denied, and its senders told"),
    "resume_session": _decides("Let a session go on"),
    "complete_session": _decides("Say that a session is over"),
}
