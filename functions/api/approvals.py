"""Rampart's approval routes."""

from typing import Final

from starlette.responses import HTMLResponse, Response

from functions.api.asked import Asked, UseCase, answer
from tocsin.bootstrap.api import ApiParts
from tocsin.domain.approvals import Approval, Call, Expiry
from tocsin.domain.errors import Busy, Forbidden, Invalid, Over, Refused
from tocsin.domain.limits import APPROVAL_SECONDS, RUN_GRANT_SECONDS
from tocsin.domain.times import iso_ms
from tocsin.services.approvals.asking import Ask
from tocsin.services.approvals.deciding import BulkResolve, Resolve
from tocsin.wire import approvals as wire
from tocsin.wire import bodies, link_page, links
from tocsin.wire.problems import problem

__all__ = ["routes"]

_PAGE_BYTES: Final = 2 * 1024 * 1024  # of the approvals in a list; their groups repeat them


def routes(parts: ApiParts) -> dict[str, UseCase]:
    """Return the use cases over ``parts``, by their names in the table of routes."""
    asking, deciding = parts.asking, parts.deciding
    expiring, reading, linking = parts.expiring, parts.reading, parts.linking

    def create_approval(asked: Asked) -> Response:
        body = bodies.read(asked.body, wire.CREATE)
        asked.key.check_agent(body["agent"])
        call = Call(
            tool=body["tool"],
            agent=body["agent"],
            owner=asked.key.holder,
            session=body.get("session", ""),
            run_id=body.get("run_id", ""),
            tool_call_id=body.get("tool_call_id", ""),
            command=body.get("command", ""),
            path=body.get("path", ""),
            cwd=body.get("cwd", ""),
            input=body.get("input"),
        )
        ask = Ask(
            call=call,
            message=body["message"],
            reason=body.get("reason", ""),
            ttl_seconds=body.get("ttl", APPROVAL_SECONDS),
            on_expiry=Expiry(body.get("on_expiry", Expiry.DENY)),
        )
        approval = asking(asked.key, ask)
        return answer(wire.created(approval), 201 if approval.pending else 200)

    def list_approvals(asked: Asked) -> Response:
        page = wire.page_asked(asked.query)
        found, size_bytes, more = list[Approval](), 0, False
        for each in reading.pending(asked.key, page.limit, page.after):
            size_bytes += wire.size_bytes(each)
            more = len(found) == page.limit - 1 or (bool(found) and size_bytes > _PAGE_BYTES)
            if size_bytes > _PAGE_BYTES and found:
                break
            found.append(each)
        link = {}
        if more:
            target = f"/v1/approvals?limit={page.limit}&after={found[-1].id}"
            link["Link"] = f'<{target}>; rel="next"'
        return answer(wire.pending(found), headers=link)

    def get_approval(asked: Asked) -> Response:
        approval = reading.one(asked.key, asked.path["id"])
        if approval.pending and approval.overdue(parts.clock.now_ms()):
            approval = expiring.look(approval.org, approval.id) or approval
        return answer(wire.shown(approval))

    def make_links(asked: Asked) -> Response:
        bodies.read(asked.body, links.MAKE)
        made = linking.make(asked.key, asked.path["id"])
        return answer(
            {
                "approve_url": links.url(made.public_url, made.approve),
                "deny_url": links.url(made.public_url, made.deny),
                "expires_at": iso_ms(made.expires_at_ms),
            }
        )

    def show_link(asked: Asked) -> Response:
        try:
            link = links.link_in(asked.path["id"], asked.query, parts.clock.now_ms())
            approval = linking.look(link)
        except (Forbidden, Over) as error:
            return _said(error)
        return _page(link_page.asking(approval, link))

    def resolve_by_link(asked: Asked) -> Response:
        form = links.is_form(asked.body)
        try:
            link = links.link_in(asked.path["id"], asked.query, parts.clock.now_ms())
            given = links.sent(asked.body, link)
            approval = linking.resolve(link, given.get("resolved_by", ""))
        except Refused as error:
            if form:
                return _said(error)
            raise
        if form:
            return _page(link_page.saying(f"The call is {approval.status}"))
        return answer(wire.resolved(approval))

    def resolve(asked: Asked) -> Response:
        if links.presented(asked.query):
            return resolve_by_link(asked)
        body = bodies.read(asked.body, wire.RESOLVE)
        wanted = Resolve(
            approved=body["approved"],
            claimed_by=body.get("resolved_by", ""),
            reason=body.get("reason", ""),
            persist=body.get("persist", False),
        )
        return answer(wire.resolved(deciding.resolve(asked.key, asked.path["id"], wanted)))

    def bulk_resolve(asked: Asked) -> Response:
        body = bodies.read(asked.body, wire.BULK)
        approve = body["action"] == "approve"
        if len(set(body["ids"])) < len(body["ids"]):
            raise Invalid([{"field": "ids", "message": "Send each id once"}])
        if body["scope"] == "run" and not approve:
            raise Invalid([{"field": "scope", "message": "A run can't be denied: use pending"}])
        wanted = BulkResolve(
            agent=body["agent"],
            session=body["session"],
            run_id=body["run_id"],
            approve=approve,
            scope=body["scope"],
            ids=body["ids"],
            claimed_by=body.get("resolved_by", ""),
            reason=body.get("reason", ""),
        )
        done = deciding.resolve_several(asked.key, wanted)
        ids = [*done.reviewed, *done.race_covered]
        grant = done.grant and {
            "grant_ttl_ms": RUN_GRANT_SECONDS * 1_000,
            "grant_expires_at": iso_ms(done.grant.expires_at_ms),
        }
        return answer(
            {
                "resolved": len(ids),
                "ids": ids,
                "reviewed_ids": done.reviewed,
                "race_covered_ids": done.race_covered,
                "scope": done.scope,
                "future_calls_authorized": done.grant is not None,
                **(grant or {}),
            }
        )

    def list_rules(asked: Asked) -> Response:
        return answer(wire.rules(reading.rules(asked.key)))

    def remove_rule(asked: Asked) -> Response:
        name = asked.path["name"]
        deciding.remove_rule(asked.key, name)
        return answer({"deleted": name})

    return {
        "create_approval": create_approval,
        "list_approvals": list_approvals,
        "get_approval": get_approval,
        "resolve": resolve,
        "show_link": show_link,
        "make_links": make_links,
        "bulk_resolve": bulk_resolve,
        "list_rules": list_rules,
        "remove_rule": remove_rule,
    }


def _page(html: str, status: int = 200) -> Response:
    return HTMLResponse(html, status, link_page.HEADERS)


def _said(error: Refused) -> Response:
    """Return an error as a person reads it."""
    title = "Try it again" if isinstance(error, Busy) else "Nothing was changed"
    return _page(link_page.saying(title, str(error)), problem(error).status)
