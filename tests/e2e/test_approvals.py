"""Asking and deciding on the running product, as an agent and a person use it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.orgs import NewOrg
from support.product import Product
from support.waiting import HANG_SECONDS
from tocsin.client import Client
from tocsin.domain.keys import Scope

pytestmark = pytest.mark.xdist_group("product")
TOCSIN = Path(sys.executable).with_name("tocsin")


class People:
    """An org with an agent, an approver and somebody who looks."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.org = NewOrg(product)
        self.agent = self.client(Scope.INGEST)
        self.maria_key = self.key(Scope.APPROVE, person="maria@example.com")
        self.maria = Client(product.url, self.maria_key)
        self.reader = self.client(Scope.READ)

    def key(self, scope: Scope, person: str = "") -> str:
        return self.org.new_key(scope, person=person)

    def client(self, scope: Scope) -> Client:
        return Client(self.product.url, self.key(scope))

    def run(self, *arguments: str) -> str:
        done = subprocess.run(  # noqa: S603 (our own program)
            [str(TOCSIN), "approvals", *arguments],
            env=os.environ | {"TOCSIN_URL": self.product.url, "TOCSIN_API_KEY": self.maria_key},
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def told(self, count: int) -> list[Any]:
        found = []
        for event in self.reader.stream(after=0):
            found.append(event)
            if len(found) == count:
                return found
        raise AssertionError("the stream ended")

    def close(self) -> None:
        for client in (self.agent, self.maria, self.reader):
            client.close()


@pytest.fixture
def people(product: Product) -> Iterator[People]:
    people = People(product)
    yield people
    people.close()


def test_a_person_at_a_terminal_answers_an_agent_that_waits(people: People) -> None:
    asked = people.agent.ask("exec", "claude", "may I?", command="rm -rf build", session="s")
    assert "may I?" in people.run("list")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(people.agent.decision, asked.id)
        done = people.run("approve", asked.id, "--reason", "it is a build folder")
        assert done == f"{asked.id} is approved.\n"
        decided = answer.result(timeout=HANG_SECONDS)
    assert (decided.approved, decided.resolved_by) == (True, "maria@example.com")
    assert decided.fields["resolved_reason"] == "it is a build folder"
    assert people.run("list") == "nothing waits for an approval\n"
    created, resolved = people.told(2)
    assert [created.type, resolved.type] == ["approval.created", "approval.resolved"]
    assert resolved.fields["source"] == "tocsin"
    assert people.reader.verify().ok


def test_the_last_approved_call_of_a_tool_is_found_by_its_event(people: People) -> None:
    ids = list[str]()
    for tool, approved in (("exec", True), ("exec", True), ("exec", False), ("read", True)):
        asked = people.agent.ask(tool, "claude", "may I?", command=f"{tool} {len(ids)}")
        people.maria.resolve(asked.id, approved=approved)
        ids.append(asked.id)
    people.told(8)
    types = ("approval.resolved", "approval.resolved_in_bulk")
    [event] = people.reader.replay(types=types, limit=1, tool_name="exec", action="allow")
    assert event.fields["data"]["approval_id"] == ids[1]
    last = people.reader.approval(ids[1])
    assert (last.fields["tool"], last.fields["command"]) == ("exec", "exec 1")


def test_links_at_a_terminal(people: People) -> None:
    asked = people.agent.ask("exec", "claude", "may I?")
    printed = people.run("links", asked.id)
    urls = dict(line.split() for line in printed.splitlines()[:2])
    assert asked.expires_at in printed
    assert httpx.post(urls["deny"], timeout=HANG_SECONDS).json()["status"] == "denied"
    assert people.agent.decision(asked.id).resolved_by == "signed-link"
    assert [each.type for each in people.told(3)] == [
        "approval.created",
        "approval.linked",
        "approval.resolved",
    ]


def test_what_nobody_answers_expires_by_itself(people: People) -> None:
    began = time.time()
    asked = people.agent.ask("exec", "claude", "may I?", ttl=10)
    decided = people.agent.decision(asked.id)
    assert (decided.status, decided.resolved_by) == ("expired", "timeout")
    assert time.time() - began >= 10
    assert [each.type for each in people.told(2)] == ["approval.created", "approval.expired"]


def test_a_call_is_decided_by_policies_and_allowed_once(people: People) -> None:
    headers = {"Authorization": f"Bearer {people.key(Scope.INGEST)}"}
    call = {"agent": "claude", "session": "s", "tool_call_id": "t"}
    url = f"{people.product.url}/v1/tool/exec"

    def post(command: str) -> httpx.Response:
        body = call | {"params": {"command": command}}
        return httpx.post(url, json=body, headers=headers, timeout=HANG_SECONDS)

    assert post("git status").status_code == 200
    assert post("cat ~/.ssh/id_rsa").status_code == 403
    asked = post("rm -rf build")
    assert asked.status_code == 202
    people.maria.resolve(asked.json()["approval_id"], approved=True)
    assert post("rm -rf build").status_code == 200
    assert post("rm -rf build").status_code == 202


def test_rampart_clients_see_each_change(people: People) -> None:
    asked = people.agent.ask("exec", "claude", "may I?")
    people.maria.resolve(asked.id, approved=False)
    headers = {"Authorization": f"Bearer {people.key(Scope.READ)}", "Last-Event-ID": "0"}
    lines: list[str] = []
    with httpx.stream(
        "GET", f"{people.product.url}/v1/events/stream", headers=headers, timeout=HANG_SECONDS
    ) as response:
        for line in response.iter_lines():
            if line.startswith("data: "):
                lines.append(line.removeprefix("data: "))
            if len(lines) == 4:
                break
    assert lines[:3] == ['{"type":"connected"}', *['{"type":"approvals"}'] * 2]
    assert '"action":"approval_resolved"' in lines[3]
