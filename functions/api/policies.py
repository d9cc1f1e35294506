"""Rampart's routes of calls, and those of the policies that decide about them."""

from typing import Any

from starlette.responses import Response

from functions.api.asked import Asked, UseCase, answer
from tocsin.bootstrap.api import ApiParts
from tocsin.domain.errors import NotFound
from tocsin.domain.policy import Decision
from tocsin.domain.times import iso_ms
from tocsin.services.policies.calling import Outcome
from tocsin.services.policies.engine import Situation, compiled
from tocsin.wire import bodies
from tocsin.wire import policies as wire
from tocsin.wire.parameters import flag

__all__ = ["routes"]

_STATUS = {Decision.ALLOW: 200, Decision.WATCH: 200, Decision.ASK: 202, Decision.DENY: 403}


def routes(parts: ApiParts) -> dict[str, UseCase]:
    """Return the use cases over ``parts``, by their names in the table of routes."""
    calling, keeping = parts.calling, parts.keeping

    def call_tool(asked: Asked) -> Response:
        body = bodies.read(asked.body, wire.CALL)
        outcome = calling.call(asked.key, _situation(asked, body))
        said = _said(outcome)
        if outcome.verdict.policies:
            said["policy"] = outcome.verdict.policies[0]
        if approval := outcome.approval:
            said["approval_id"] = approval.id
            said["approval_status"] = approval.status
            said["expires_at"] = iso_ms(approval.expires_at_ms)
        return answer(said, _STATUS[outcome.verdict.decision])

    def preflight(asked: Asked) -> Response:
        body = bodies.read(asked.body, wire.CALL)
        situation, enforced = _situation(asked, body), body.get("enforce", False)
        outcome = calling.call(asked.key, situation) if enforced else calling.preflight(situation)
        policies = list(outcome.verdict.policies)
        return answer(_said(outcome) | {"matched_policies": policies, "enforced": enforced})

    def get_policies(asked: Asked) -> Response:
        version = wire.version_asked(asked.query)
        policies = keeping.version(asked.key.org, version)
        if policies is None:
            raise NotFound("there is no such version")
        return answer(wire.shown(policies, len(compiled(policies.text))))

    def put_policies(asked: Asked) -> Response:
        body = bodies.read(asked.body, wire.PUT)
        text = body["policies"]
        if flag(asked.query, "dry_run"):
            return answer({"dry_run": True, "count": len(compiled(text))})
        policies = keeping.put(asked.key, text, body.get("version"))
        return answer(wire.shown(policies, len(compiled(text))))

    def test_policies(asked: Asked) -> Response:
        body = bodies.read(asked.body, wire.TEST)
        if "policies" in body:
            policies = compiled(body["policies"])
        else:
            policies = compiled(keeping.current(asked.key.org).text)
        results = []
        for each in body["calls"]:
            situation = Situation(
                org=asked.key.org,
                call=wire.call_of(each["tool"], each, asked.key.holder),
                server=each.get("server", ""),
                labels=each.get("labels", {}),
                annotations=each.get("annotations", {}),
            )
            results.append(wire.tested(each, policies.decide(situation)))
        failed = sum(not each.get("ok", True) for each in results)
        return answer({"results": results, "failed": failed})

    def status(asked: Asked) -> Response:
        policies = keeping.current(asked.key.org)
        return answer(
            {
                "config_path": f"/api/v1/policies?version={policies.version}",
                "mode": "enforce",
                "default_action": Decision.DENY,
                "policy_count": len(compiled(policies.text)),
                "rule_count": len(parts.reading.rules(asked.key)),
                "call_counts": parts.costs.calls(asked.key),
            }
        )

    return {
        "call_tool": call_tool,
        "preflight": preflight,
        "get_policies": get_policies,
        "put_policies": put_policies,
        "test_policies": test_policies,
        "status": status,
    }


def _situation(asked: Asked, body: wire.CallBody) -> Situation:
    asked.key.check_agent(body["agent"])
    call = wire.call_of(asked.path["tool"], body, asked.key.holder)
    return Situation(
        org=asked.key.org,
        call=call,
        server=body.get("server", ""),
        annotations=body.get("annotations", {}),
    )


def _said(outcome: Outcome) -> dict[str, Any]:
    verdict = outcome.verdict
    said: dict[str, Any] = {
        "allowed": outcome.allowed,
        "decision": verdict.decision,
        "message": verdict.message,
        "eval_duration_us": outcome.eval_us,
    }
    if outcome.suspended:
        said["suspended"] = True
    return said | ({"suggestions": list(verdict.suggestions)} if verdict.suggestions else {})
