"""The routes of the API function: who may call each, and which parameters it knows.

The function's guards are made from this table, and so are the tests that try each route with every
kind of wrong credential.
"""

from dataclasses import dataclass
from typing import Final, Literal

from tocsin.domain.keys import Scope
from tocsin.wire import endpoints, hooks, links, reviews
from tocsin.wire.intake.hooks.asking import ASKING

__all__ = ["ROUTES", "ApiRoute"]

_ADMINS = frozenset({Scope.ADMIN})
_READS = frozenset({Scope.READ})
_ANSWERS = frozenset({Scope.READ, Scope.APPROVE})


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRoute:
    """One method of one path. A key needs one of ``scopes``; None: any key, and no scope: nobody's.

    ``use_case`` names the function that answers it. If it is ``signed``, a signed link does in
    place of a key; if it is ``public``, nobody asks for a key before: it may need none, or ask by
    itself.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    use_case: str
    scopes: frozenset[Scope] | None
    query: tuple[str, ...] = ()
    status: int = 200
    public: bool = False
    signed: bool = False

    @property
    def adds_for_admins(self) -> bool:
        """Whether an admin changes something, other than by removing what was made.

        Of removals there are no more than of what was made; so who revokes a key is not kept from
        it by what somebody does with that.
        """
        return self.scopes == _ADMINS and self.method in ("POST", "PUT")


ROUTES: Final = (
    ApiRoute(
        method="GET",
        path="/openapi.json",
        use_case="openapi",
        scopes=frozenset(),
        public=True,
    ),
    ApiRoute(method="GET", path="/health", use_case="health", scopes=frozenset(), public=True),
    ApiRoute(method="GET", path="/ready", use_case="ready", scopes=frozenset(), public=True),
    ApiRoute(method="GET", path="/metrics", use_case="metrics", scopes=frozenset(), public=True),
    ApiRoute(
        method="POST",
        path="/v1/approvals",
        use_case="create_approval",
        scopes=frozenset({Scope.INGEST, Scope.APPROVE}),
        status=201,
    ),
    ApiRoute(
        method="GET",
        path="/v1/approvals",
        use_case="list_approvals",
        scopes=_ANSWERS,
        query=("limit", "after"),
    ),
    ApiRoute(
        method="POST",
        path="/v1/approvals/bulk-resolve",
        use_case="bulk_resolve",
        scopes=frozenset({Scope.APPROVE}),
    ),
    ApiRoute(method="GET", path="/v1/approvals/{id}", use_case="get_approval", scopes=None),
    ApiRoute(
        method="POST",
        path="/v1/approvals/{id}/resolve",
        use_case="resolve",
        scopes=frozenset({Scope.APPROVE}),
        query=links.PARAMETERS,
        signed=True,
    ),
    ApiRoute(
        method="GET",
        path="/v1/approvals/{id}/resolve",
        use_case="show_link",
        scopes=frozenset(),
        query=links.PARAMETERS,
        public=True,
        signed=True,
    ),
    ApiRoute(
        method="POST",
        path="/v1/approvals/{id}/links",
        use_case="make_links",
        scopes=frozenset({Scope.APPROVE}),
    ),
    ApiRoute(method="GET", path="/v1/rules/auto-allowed", use_case="list_rules", scopes=_ANSWERS),
    ApiRoute(
        method="DELETE",
        path="/v1/rules/auto-allowed/{name}",
        use_case="remove_rule",
        scopes=frozenset({Scope.APPROVE}),
    ),
    ApiRoute(
        method="POST",
        path="/v1/tool/{tool:path}",
        use_case="call_tool",
        scopes=frozenset({Scope.INGEST}),
    ),
    ApiRoute(
        method="POST",
        path="/v1/preflight/{tool:path}",
        use_case="preflight",
        scopes=frozenset({Scope.INGEST}),
    ),
    *(
        ApiRoute(
            method="POST",
            path=f"/v1/hooks/{product}",
            use_case=f"hook_{product.replace('-', '_')}",
            scopes=frozenset({Scope.INGEST}),
            query=hooks.PARAMETERS,
        )
        for product in ASKING
    ),
    ApiRoute(
        method="GET",
        path="/api/v1/policies",
        use_case="get_policies",
        scopes=_READS,
        query=("version",),
    ),
    ApiRoute(
        method="PUT",
        path="/api/v1/policies",
        use_case="put_policies",
        scopes=_ADMINS,
        query=("dry_run",),
    ),
    ApiRoute(
        method="POST",
        path="/api/v1/policies/test",
        use_case="test_policies",
        scopes=_READS,
    ),
    ApiRoute(method="GET", path="/v1/status", use_case="status", scopes=_READS),
    ApiRoute(
        method="GET",
        path="/api/v1/sessions",
        use_case="list_sessions",
        scopes=_READS,
        query=("limit", "cursor"),
    ),
    ApiRoute(
        method="POST",
        path="/api/v1/sessions/{id:path}/suspend",
        use_case="suspend_session",
        scopes=frozenset({Scope.APPROVE}),
    ),
    ApiRoute(
        method="POST",
        path="/api/v1/sessions/{id:path}/resume",
        use_case="resume_session",
        scopes=frozenset({Scope.APPROVE}),
    ),
    ApiRoute(
        method="POST",
        path="/api/v1/sessions/{id:path}/complete",
        use_case="complete_session",
        scopes=frozenset({Scope.APPROVE}),
    ),
    ApiRoute(
        method="GET",
        path="/api/v1/sessions/{id:path}",
        use_case="get_session",
        scopes=_READS,
    ),
    ApiRoute(
        method="GET",
        path="/api/v1/agents",
        use_case="list_agents",
        scopes=_READS,
        query=("limit", "cursor"),
    ),
    ApiRoute(
        method="POST",
        path="/api/v1/agents/{id:path}/retire",
        use_case="retire_agent",
        scopes=_ADMINS,
    ),
    ApiRoute(
        method="GET",
        path="/api/v1/agents/{id:path}/budget",
        use_case="get_agent_budget",
        scopes=_READS,
    ),
    ApiRoute(
        method="PUT",
        path="/api/v1/agents/{id:path}/budget",
        use_case="put_agent_budget",
        scopes=_ADMINS,
    ),
    ApiRoute(
        method="DELETE",
        path="/api/v1/agents/{id:path}/budget",
        use_case="delete_agent_budget",
        scopes=_ADMINS,
    ),
    ApiRoute(
        method="GET",
        path="/api/v1/agents/{id:path}",
        use_case="get_agent",
        scopes=_READS,
    ),
    ApiRoute(
        method="POST",
        path="/api/v1/agents",
        use_case="create_agent",
        scopes=_ADMINS,
        status=201,
    ),
    ApiRoute(
        method="PUT",
        path="/api/v1/agents/{id:path}",
        use_case="update_agent",
        scopes=_ADMINS,
    ),
    ApiRoute(
        method="GET",
        path="/api/v1/budgets",
        use_case="list_budgets",
        scopes=_READS,
    ),
    ApiRoute(
        method="POST",
        path="/api/v1/budgets",
        use_case="create_budget",
        scopes=_ADMINS,
        status=201,
    ),
    ApiRoute(
        method="GET",
        path="/api/v1/budgets/overview",
        use_case="budgets_overview",
        scopes=_READS,
    ),
    ApiRoute(
        method="GET",
        path="/api/v1/budgets/{id}",
        use_case="get_budget",
        scopes=_READS,
    ),
    ApiRoute(
        method="PUT",
        path="/api/v1/budgets/{id}",
        use_case="put_budget",
        scopes=_ADMINS,
    ),
    ApiRoute(
        method="DELETE",
        path="/api/v1/budgets/{id}",
        use_case="delete_budget",
        scopes=_ADMINS,
    ),
    ApiRoute(method="GET", path="/api/v1/detection", use_case="get_detection", scopes=_READS),
    ApiRoute(method="PUT", path="/api/v1/detection", use_case="put_detection", scopes=_ADMINS),
    ApiRoute(method="GET", path="/api/v1/privacy", use_case="get_privacy", scopes=_READS),
    ApiRoute(method="PUT", path="/api/v1/privacy", use_case="put_privacy", scopes=_ADMINS),
    ApiRoute(
        method="POST",
        path="/api/v1/privacy/erasures",
        use_case="erase_user",
        scopes=_ADMINS,
    ),
    ApiRoute(
        method="GET",
        path="/api/v1/anomalies",
        use_case="list_anomalies",
        scopes=_ANSWERS,
        query=reviews.PARAMETERS,
    ),
    ApiRoute(
        method="GET",
        path="/api/v1/anomalies/{id}",
        use_case="get_anomaly",
        scopes=_ANSWERS,
    ),
    ApiRoute(
        method="POST",
        path="/api/v1/anomalies/{id}/acknowledge",
        use_case="acknowledge_anomaly",
        scopes=frozenset({Scope.APPROVE}),
    ),
    ApiRoute(
        method="POST",
        path="/api/v1/anomalies/{id}/snooze",
        use_case="snooze_anomaly",
        scopes=frozenset({Scope.APPROVE}),
    ),
    ApiRoute(
        method="POST",
        path="/api/v1/anomalies/{id}/false-positive",
        use_case="false_positive",
        scopes=frozenset({Scope.APPROVE}),
    ),
    ApiRoute(
        method="GET",
        path="/api/v1/webhooks",
        use_case="list_endpoints",
        scopes=_ANSWERS,
    ),
    ApiRoute(
        method="POST",
        path="/api/v1/webhooks",
        use_case="create_endpoint",
        scopes=_ADMINS,
        status=201,
    ),
    ApiRoute(
        method="GET",
        path="/api/v1/webhooks/{id}",
        use_case="get_endpoint",
        scopes=_ANSWERS,
    ),
    ApiRoute(
        method="PUT",
        path="/api/v1/webhooks/{id}",
        use_case="update_endpoint",
        scopes=_ADMINS,
    ),
    ApiRoute(
        method="DELETE",
        path="/api/v1/webhooks/{id}",
        use_case="remove_endpoint",
        scopes=_ADMINS,
    ),
    ApiRoute(
        method="POST",
        path="/api/v1/webhooks/{id}/pause",
        use_case="pause_endpoint",
        scopes=_ADMINS,
    ),
    ApiRoute(
        method="POST",
        path="/api/v1/webhooks/{id}/resume",
        use_case="resume_endpoint",
        scopes=_ADMINS,
    ),
    ApiRoute(
        method="POST",
        path="/api/v1/webhooks/{id}/rotate",
        use_case="rotate_endpoint",
        scopes=_ADMINS,
    ),
    ApiRoute(
        method="POST",
        path="/api/v1/webhooks/{id}/test",
        use_case="test_endpoint",
        scopes=_ADMINS,
        status=202,
    ),
    ApiRoute(
        method="POST",
        path="/api/v1/webhooks/{id}/replay",
        use_case="replay_endpoint",
        scopes=_ADMINS,
        status=202,
    ),
    ApiRoute(
        method="GET",
        path="/api/v1/webhooks/{id}/deliveries",
        use_case="list_deliveries",
        scopes=_ANSWERS,
        query=endpoints.PARAMETERS,
    ),
    ApiRoute(
        method="GET",
        path="/api/v1/webhooks/{id}/given-up",
        use_case="list_given_up",
        scopes=_ANSWERS,
        query=endpoints.PARAMETERS,
    ),
    ApiRoute(
        method="GET",
        path="/api/v1/costs/summary",
        use_case="costs_summary",
        scopes=_READS,
        query=("from", "to", "granularity"),
    ),
    ApiRoute(
        method="GET",
        path="/api/v1/costs/breakdown",
        use_case="costs_breakdown",
        scopes=_READS,
        query=("from", "to", "group_by"),
    ),
    ApiRoute(
        method="GET",
        path="/api/v1/costs/timeseries",
        use_case="costs_timeseries",
        scopes=_READS,
        query=("from", "to", "granularity", "agent_id"),
    ),
    ApiRoute(
        method="GET",
        path="/api/v1/usage",
        use_case="usage",
        scopes=_READS,
    ),
    ApiRoute(
        method="POST",
        path="/api/v1/keys",
        use_case="create_key",
        scopes=_ADMINS,
        status=201,
    ),
    ApiRoute(
        method="GET",
        path="/api/v1/keys",
        use_case="list_keys",
        scopes=_ADMINS,
    ),
    ApiRoute(
        method="POST",
        path="/api/v1/keys/{id}/rotate",
        use_case="rotate_key",
        scopes=_ADMINS,
        status=201,
    ),
    ApiRoute(
        method="DELETE",
        path="/api/v1/keys/{id}",
        use_case="revoke_key",
        scopes=_ADMINS,
    ),
    ApiRoute(
        method="POST",
        path="/api/v1/delegations",
        use_case="delegate",
        scopes=None,
        status=201,
    ),
    ApiRoute(
        method="GET",
        path="/api/v1/delegations",
        use_case="list_delegations",
        scopes=None,
    ),
    ApiRoute(
        method="DELETE",
        path="/api/v1/delegations/{id}",
        use_case="revoke_delegation",
        scopes=None,
    ),
    ApiRoute(
        method="POST",
        path="/api/v1/session",
        use_case="sign_in",
        scopes=_READS,
        status=201,
        public=True,
    ),
    ApiRoute(
        method="GET",
        path="/api/v1/session",
        use_case="who",
        scopes=_READS,
    ),
    ApiRoute(
        method="DELETE",
        path="/api/v1/session",
        use_case="sign_out",
        scopes=frozenset(),
        query=("everywhere",),
        status=204,
        public=True,
    ),
    ApiRoute(
        method="POST",
        path="/api/v1/session/org",
        use_case="switch_org",
        scopes=_READS,
        public=True,
    ),
)
