"""What requests to the API function cost: AWS' list prices times what each uses in this run.

The function's application on a DynamoDB API over HTTP (MiniStack), called as API Gateway calls it,
each request as it is in the long run: keys and policies are remembered. Capacity units are computed
from the items; Lambda's time from CPU time and an allowance for each call to DynamoDB, as ``bench
cost`` does. The baseline is a request that writes nothing and reads one item. An event that a
request tells is sealed and projected like any other, which is not in here: ``bench cost`` has it.
"""

import time
from collections.abc import Callable
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.cost.assumed import MILLION
from bench.cost.prices import Prices
from bench.cost.tap import Tap
from bench.cost.use import Use, billed_ms
from bench.report import number, ratio, show, usd
from tocsin.domain.keys import Scope
from tocsin.local.functions import FUNCTIONS

if TYPE_CHECKING:
    from support.api import Api

__all__ = ["main"]

_REPEATED = 30
_BASELINE = "GET /api/v1/usage"


def main() -> None:
    """Measure and print."""
    from support.api import Api  # of the tests
    from support.databases import Database
    from support.ministack import dynamodb_server

    with dynamodb_server() as server:
        database = Database(server)
        api = Api(database.stores()[0])
        tap = Tap(database.client, server.client())
        try:
            used = {name: _used(tap, call) for name, call in _requests(api).items()}
        finally:
            api.close()
    _print(used)


def _requests(api: "Api") -> dict[str, Callable[[], Any]]:
    """Return what is asked, by names; each call asks once more."""
    admin, _ = api.key(Scope.ADMIN, person="ada")
    agent, _ = api.key(Scope.INGEST)
    call = {"agent": "claude", "session": "s", "params": {"command": "git status"}}
    asked = {"tool": "exec", "agent": "claude", "message": "may I?", "command": "rm -rf build"}
    hook = {
        "hook_event_name": "PreToolUse",
        "session_id": "s",
        "tool_name": "Bash",
        "tool_input": {"command": "git status"},
        "tool_use_id": "toolu_01ABC123",
    }
    waiting: list[str] = []

    def do(method: str, path: str, body: Any = None, token: str = admin) -> Any:
        api.clock.ms += 1
        answer = api(method, path, body, token=token)
        if answer.status >= 300 and answer.status != 403:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.text}")
        return answer.body

    def ask() -> None:
        waiting.append(do("POST", "/v1/approvals", asked, agent)["id"])

    def resolve() -> None:
        do("POST", f"/v1/approvals/{waiting.pop()}/resolve", {"approved": True})

    return {
        _BASELINE: lambda: do("GET", "/api/v1/usage"),
        "POST /v1/preflight/{tool}": lambda: do("POST", "/v1/preflight/exec", call, agent),
        "POST /v1/tool/{tool}": lambda: do("POST", "/v1/tool/exec", call, agent),
        "POST /v1/hooks/claude-code, a call": lambda: do(
            "POST", "/v1/hooks/claude-code", hook, agent
        ),
        "POST /v1/hooks/claude-code, a record": lambda: do(
            "POST", "/v1/hooks/claude-code", hook | {"hook_event_name": "PostToolUse"}, agent
        ),
        "POST /v1/approvals": ask,
        "GET /v1/approvals, 30 of them": lambda: do("GET", "/v1/approvals?limit=30"),
        "POST /v1/approvals/{id}/resolve": resolve,
        "POST /api/v1/budgets": lambda: do(
            "POST", "/api/v1/budgets", {"limits": {"calls_per_day": 9}}
        ),
        "POST /api/v1/keys": lambda: do("POST", "/api/v1/keys", {"scopes": ["read"]}),
    }


def _used(tap: Tap, call: Callable[[], Any]) -> Use:
    """Return what a request uses, the median of some that come after the first ones."""
    for _ in range(3):
        call()
    uses = []
    for _ in range(_REPEATED):
        tap.reset()
        began = time.process_time()
        call()
        cpu_ms = (time.process_time() - began) * 1000
        uses.append(Use(1, cpu_ms, tap.waits_ms, 0, tap.units.copy(), tap.reads.copy()))
    cpu_ms = median(use.cpu_ms for use in uses)
    typical = sorted(uses, key=lambda use: use.writes.total() + use.reads.total())[len(uses) // 2]
    return Use(1, cpu_ms, typical.waits_ms, 0, typical.writes, typical.reads)


def _print(used: dict[str, Use]) -> None:
    prices, memory_mb = Prices.newest(), FUNCTIONS["api"].memory_mb
    baseline = _usd(used[_BASELINE], prices, memory_mb)
    rows = []
    for name, use in used.items():
        dollars = _usd(use, prices, memory_mb)
        units = number(use.writes.total()), number(use.reads.total())
        rows.append((name, *units, number(use.cpu_ms), usd(dollars), ratio(dollars / baseline)))
    show(
        "Requests to the API function",
        ("", "writes", "reads", "CPU, ms", "$ a million", "of the first"),
        rows,
        [
            f"Units as DynamoDB counts them; list prices of {prices.date}, with the gateway and",
            f"Lambda at {memory_mb} MB. The event that a request tells is not sealed here.",
        ],
    )


def _usd(use: Use, prices: Prices, memory_mb: int) -> float:
    """Return the dollars for a million of a request."""
    seconds = billed_ms(use, memory_mb) / 1000
    return MILLION * (
        prices.usd("dynamodb_write_units", use.writes.total())
        + prices.usd("dynamodb_read_units", use.reads.total())
        + prices.usd("lambda_requests", 1)
        + prices.usd("lambda_gb_seconds", seconds * memory_mb / 1024)
        + prices.usd("http_api_requests", 1)
    )
