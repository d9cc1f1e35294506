"""`tocsin mcp --enforce` on the running product: policies, approvals and a person who decides."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.orgs import NewOrg
from support.product import Product
from support.waiting import HANG_SECONDS, until
from tocsin.client import Client
from tocsin.domain.keys import Scope

pytestmark = pytest.mark.xdist_group("product")

ANSWERS = """
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": {}}), flush=True)
"""
POLICIES = """
@id("all") permit(principal, action, resource);
@id("ask") @decision("ask") @message("May it?")
permit(principal, action, resource == Tool::"deploy");
@id("no") @message("Never.") forbid(principal, action, resource)
when { context.arguments.contains("force=true") };
"""


class Relay:
    """A relay in front of a server that answers everything."""

    def __init__(self, product: Product, key: str, home: Path) -> None:
        place = {"TOCSIN_URL": product.url, "TOCSIN_API_KEY": key, "TOCSIN_HOME": str(home)}
        command = [sys.executable, "-m", "tocsin.cli", "mcp", "--enforce", "--session", "s"]
        self.process = subprocess.Popen(  # noqa: S603 (our own program)
            [*command, "--agent", "an-agent", "--", sys.executable, "-c", ANSWERS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | place,
        )

    def says(self, id: int, tool: str, **arguments: Any) -> None:
        params = {"name": tool, "arguments": arguments}
        params["_meta"] = {"progressToken": id, "claudecode/toolUseId": f"toolu_{id:016}"}
        message = {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def hears(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def answer(self) -> Any:
        while "method" in (said := self.hears()):
            pass
        return said


@pytest.fixture
def org(product: Product) -> NewOrg:
    org = NewOrg(product)
    with Client(product.url, org.new_key(Scope.ADMIN)) as admin:
        admin.set_policies(POLICIES)
    return org


@pytest.fixture
def relay(product: Product, org: NewOrg, tmp_path: Path) -> Iterator[Relay]:
    relay = Relay(product, org.new_key(Scope.INGEST), tmp_path)
    yield relay
    relay.process.communicate(timeout=HANG_SECONDS)


def test_calls_are_decided_and_each_counts_once(
    product: Product, org: NewOrg, relay: Relay
) -> None:
    relay.says(1, "list", path="x")
    assert relay.answer()["result"] == {}
    relay.says(2, "list", force=True)
    assert "Never" in relay.answer()["error"]["message"]
    maria = Client(product.url, org.new_key(Scope.APPROVE, person="maria@example.com"))
    with maria, Client(product.url, org.new_key(Scope.READ)) as reader:
        for id, approved in ((3, True), (4, False)):
            relay.says(id, "deploy", to=f"place {id}")
            (approval,) = until_some(maria)
            assert approval.id in relay.hears()["params"]["message"]
            maria.resolve(approval.id, approved=approved, reason="not today")
            answer = relay.answer()
            assert ("result" in answer) == approved
        assert "not today" in answer["error"]["message"]
        calls: dict[str, list[Any]] = {}
        for event in reader.stream(after=0, types="tool_call"):
            calls.setdefault(event.fields["tool_call_id"], []).append(event)
            if len(calls) == 4 and all(map(ended, calls.values())):
                break
    told = {id[-1]: [each.action for each in reports] for id, reports in calls.items()}
    assert told["1"] == ["allow", "allow"]  # what was decided, and how it ended
    assert told["2"] == ["deny", "deny"]
    assert told["3"] == ["ask", "allow", "allow"]
    assert told["4"] == ["ask", "deny"]


def ended(reports: list[Any]) -> bool:
    """Whether the relay has told how a call ended."""
    return any(each.fields.get("metadata", {}).get("via") == "mcp" for each in reports)


def until_some(maria: Client) -> list[Any]:
    found: list[Any] = []

    def waits() -> bool:
        found[:] = maria.approvals()
        return bool(found)

    until(waits, "an approval")
    return found
