"""``tocsin demo`` on the running product: what the viewer sees, answers and is told."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.orgs import NewOrg
from support.product import Product
from support.programs import Program
from support.waiting import HANG_SECONDS, until
from tocsin.client import Client
from tocsin.domain.keys import Scope

pytestmark = pytest.mark.xdist_group("product")

AGENTS = {"demo-researcher", "demo-coder", "demo-support", "demo-ops"}


@pytest.fixture
def org(product: Product) -> NewOrg:
    return NewOrg(product)


@pytest.fixture
def admin(org: NewOrg) -> Iterator[Client]:
    with Client(org.product.url, org.new_key(Scope.ADMIN)) as client:
        yield client


def environment(org: NewOrg, key: str) -> dict[str, str]:
    return {**os.environ, "TOCSIN_URL": org.product.url, "TOCSIN_API_KEY": key}


def demo(org: NewOrg, key: str, *options: str) -> str:
    done = subprocess.run(  # noqa: S603 (our own program)
        [sys.executable, "-m", "tocsin.cli", "demo", "--fast", *options],
        env=environment(org, key),
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_an_answered_showing_ends_with_what_was_allowed_and_an_alert(
    org: NewOrg, admin: Client, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tocsin.cli", "demo", "--fast", "--wait", "120"]
    program = Program.start(command, environment(org, org.new_key(Scope.ADMIN)), tmp_path)
    try:
        program.until(lambda: "tocsin approvals approve" in program.output, "it asks")
        [id] = re.findall(r"approvals approve (\S+?)`", program.output)
        [asked] = admin.approvals()
        assert (asked.id, asked.fields["agent"]) == (id, "demo-ops")
        link = f"{org.product.url}/v1/approvals/{id}/resolve?"
        program.until(lambda: link in program.output, "it gives a link, too")
        admin.resolve(id, approved=True)
        assert program.wait() == 0, program.errors
    finally:
        program.stop()
    said = program.output
    assert re.search(r"DROP TABLE invoices_old\" → the table is gone \(allowed: approved by", said)
    assert re.search(r"credentials → not made: Credentials are not for agents", said)
    assert "Tocsin noticed: repeated_call" in said

    events = [each for each in replayed(admin) if each.get("source") == "client"]
    assert {each["agent_id"] for each in events} == AGENTS
    assert all(generated(each) for each in events)
    models = [each for each in events if each["type"] == "completion"]
    assert all(each["cost_usd"] > 0 and each["total_tokens"] > 0 for each in models)
    assert {each["status"] for each in events if "status" in each} == {"ok", "error"}
    drops = [each for each in events if each.get("tool_name") == "exec"]
    assert [each["action"] for each in drops] == ["log", "allow", "ask"]  # the newest first
    assert len({each["tool_call_id"] for each in drops}) == 1
    calls = {each["tool_call_id"] for each in events if each["type"] == "tool_call"}
    until(lambda: counted(admin) == len(calls) + len(models), "each call counts once")

    keys = admin.keys()
    [key] = [each for each in keys if each.fields["name"] == "tocsin demo"]
    assert key.fields["revoked_at"]


def test_with_nobody_to_answer_it_goes_on(org: NewOrg) -> None:
    said = demo(org, org.new_key(Scope.INGEST), "--wait", "0")
    assert "With another key than this one" in said
    assert re.search(r"goes on without an answer; \S+ expires by itself", said)
    assert "This key may not see it" in said


def test_whatever_policies_say_is_said(org: NewOrg, admin: Client) -> None:
    admin.set_policies("permit(principal, action, resource);")
    said = demo(org, org.new_key(Scope.ADMIN), "--wait", "0")
    assert re.search(r"\.aws/credentials → the file \(allowed", said)
    assert "approvals approve" not in said


def replayed(client: Client) -> list[dict[str, Any]]:
    return [dict(each.fields) for each in client.replay(limit=1_000)]


def generated(event: dict[str, Any]) -> bool:
    decided = event.get("request", {}).get("input", {})
    return True in (event.get("metadata", {}).get("generated"), decided.get("generated"))


def counted(client: Client) -> int:
    told = client.call("GET", "/api/v1/costs/breakdown", {"group_by": "agent"})
    return sum(each["requests"] for each in told["data"])
