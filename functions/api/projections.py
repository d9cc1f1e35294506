"""Govrix Scout's routes of sessions and costs, and what is left of the quota."""

from starlette.responses import Response

from functions.api.asked import Asked, UseCase, answer
from tocsin.bootstrap.api import ApiParts
from tocsin.domain.sessions import SessionStatus
from tocsin.wire import bodies
from tocsin.wire import costs as asking
from tocsin.wire import indexes as listing
from tocsin.wire import sessions as deciding

__all__ = ["routes"]


def routes(parts: ApiParts) -> dict[str, UseCase]:
    """Return the use cases over ``parts``, by their names in the table of routes."""
    indexes, costs, clock = parts.indexes, parts.costs, parts.clock
    sessions = parts.sessions

    def list_sessions(asked: Asked) -> Response:
        page = indexes.sessions(asked.key, listing.parse(asked.query))
        states = sessions.states(asked.key.org, [each["id"] for each in page["data"]])
        page["data"] = [each | deciding.said(states.get(each["id"])) for each in page["data"]]
        return answer(page)

    def get_session(asked: Asked) -> Response:
        id = asked.path["id"]
        found = indexes.session(asked.key, id)
        return answer(found | deciding.said(sessions.states(asked.key.org, [id]).get(id)))

    def decides(status: SessionStatus) -> UseCase:
        def decide(asked: Asked) -> Response:
            reason = bodies.read(asked.body, deciding.DECIDE).get("reason", "")
            state = sessions.set(asked.key.org, asked.key.holder, asked.path["id"], status, reason)
            return answer({"id": state.id, **deciding.said(state)})

        return decide

    def costs_summary(asked: Asked) -> Response:
        return answer(costs.summary(asked.key, asking.summary(asked.query, clock.now_ms())))

    def costs_breakdown(asked: Asked) -> Response:
        return answer(costs.breakdown(asked.key, asking.breakdown(asked.query, clock.now_ms())))

    def costs_timeseries(asked: Asked) -> Response:
        return answer(costs.timeseries(asked.key, asking.timeseries(asked.query, clock.now_ms())))

    def usage(asked: Asked) -> Response:
        return answer(costs.usage(asked.key))

    return {
        "list_sessions": list_sessions,
        "get_session": get_session,
        "suspend_session": decides(SessionStatus.SUSPENDED),
        "resume_session": decides(SessionStatus.ACTIVE),
        "complete_session": decides(SessionStatus.COMPLETED),
        "costs_summary": costs_summary,
        "costs_breakdown": costs_breakdown,
        "costs_timeseries": costs_timeseries,
        "usage": usage,
    }
