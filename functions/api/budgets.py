"""The routes of budgets: KavachOS' kinds of them, and Govrix Scout's of an agent."""

from typing import Any

from starlette.responses import Response

from functions.api.asked import Asked, UseCase, answer
from tocsin.bootstrap.api import ApiParts
from tocsin.services.budgets.keeping import BudgetState, Wanted, id_of_agent
from tocsin.services.reading.whole import sees_all
from tocsin.wire import bodies
from tocsin.wire import budgets as wire

__all__ = ["routes"]


def routes(parts: ApiParts) -> dict[str, UseCase]:
    """Return the use cases over ``parts``, by their names in the table of routes."""
    budgets = parts.budgets

    def list_budgets(asked: Asked) -> Response:
        sees_all(asked.key)
        found = [_shown(each) for each in budgets.all(asked.key.org)]
        return answer({"data": found, "total": len(found)})

    def budgets_overview(asked: Asked) -> Response:
        sees_all(asked.key)
        return answer(wire.overview([_shown(each) for each in budgets.all(asked.key.org)]))

    def create_budget(asked: Asked) -> Response:
        return answer(_shown(budgets.create(asked.key, _wanted(asked))), 201)

    def get_budget(asked: Asked) -> Response:
        sees_all(asked.key)
        return answer(_shown(budgets.one(asked.key.org, asked.path["id"])))

    def put_budget(asked: Asked) -> Response:
        changed = budgets.change(asked.key, asked.path["id"], _wanted(asked))
        return answer(_shown(changed))

    def delete_budget(asked: Asked) -> Response:
        return _deleted(asked, asked.path["id"])

    def get_agent_budget(asked: Asked) -> Response:
        sees_all(asked.key)
        return answer(_shown(budgets.one(asked.key.org, id_of_agent(asked.path["id"]))))

    def put_agent_budget(asked: Asked) -> Response:
        body = bodies.read(asked.body, wire.OF_AGENT)
        wanted = Wanted(**wire.limits_of({**body, "agent_id": asked.path["id"]}))
        return answer(_shown(budgets.put_of_agent(asked.key, wanted)))

    def delete_agent_budget(asked: Asked) -> Response:
        return _deleted(asked, id_of_agent(asked.path["id"]))

    def _deleted(asked: Asked, id: str) -> Response:
        budgets.remove(asked.key, id)
        return answer({"deleted": id})

    return {
        "list_budgets": list_budgets,
        "budgets_overview": budgets_overview,
        "create_budget": create_budget,
        "get_budget": get_budget,
        "put_budget": put_budget,
        "delete_budget": delete_budget,
        "get_agent_budget": get_agent_budget,
        "put_agent_budget": put_agent_budget,
        "delete_agent_budget": delete_agent_budget,
    }


def _wanted(asked: Asked) -> Wanted:
    body = bodies.read(asked.body, wire.PUT)
    return Wanted(**wire.limits_of(body))


def _shown(state: BudgetState) -> dict[str, Any]:
    return wire.shown(state.budget, state.used, state.used_up)
