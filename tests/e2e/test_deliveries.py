"""Deliveries on the running product, to real receivers of every kind."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from support.orgs import NewOrg
from support.product import Product
from support.receiver import Behaviour, Received, Receiver, Reply, receiving
from support.waiting import HANG_SECONDS, until
from tocsin.client import ApiError, Client, Delivery
from tocsin.domain.keys import Scope
from tocsin.local.addresses import LOOPBACK

pytestmark = pytest.mark.xdist_group("product")

TOCSIN = Path(sys.executable).with_name("tocsin")
CALL = {"type": "tool_call", "toolName": "search", "agentId": "claude"}
_HANGING = 20
_BACKLOGS, _BACKLOG = 20, 40
_TAKES_SECONDS = 0.3  # of a receiver that is quick, though not so quick that it is soon done
_ROUNDS = 5


class Desk:
    """An org with an admin, and the receivers of its endpoints."""

    def __init__(self, product: Product, stack: ExitStack) -> None:
        self.product = product
        self.org = NewOrg(product)
        self.key = self.org.new_key(Scope.ADMIN, person="maria@example.com")
        self.client = stack.enter_context(Client(product.url, self.key))
        self._stack = stack

    def receiver(self, behave: Behaviour = lambda _: Reply()) -> Receiver:
        return self._stack.enter_context(receiving(behave))

    def endpoint(self, url: str, **options: Any) -> str:
        """Make an endpoint for calls, unless something else is said; return its id."""
        return self.client.create_webhook(url, **{"types": ["tool_call"], **options}).id

    def call(self, *tools: str) -> None:
        self.org.post(*(CALL | {"toolName": tool} for tool in tools))

    def tried(self, id: str, count: int = 1) -> list[Delivery]:
        """Wait until so much was attempted; return that, the oldest first."""
        until(
            lambda: len(self.client.webhook_deliveries(id)) >= count,
            f"{count} attempts are listed of {self.client.webhook(id).fields}",
        )
        return self.client.webhook_deliveries(id)[::-1]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 (our own program)
            [str(TOCSIN), "webhooks", *arguments],
            env=os.environ | {"TOCSIN_URL": self.product.url, "TOCSIN_API_KEY": self.key},
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
            check=False,
        )


@pytest.fixture
def desks(product: Product) -> Iterator[Callable[[], Desk]]:
    with ExitStack() as stack:
        yield lambda: Desk(product, stack)


@pytest.fixture
def desk(desks: Callable[[], Desk]) -> Desk:
    return desks()


def event(received: Received) -> dict[str, Any]:
    """Return the event that a request in Tocsin's own format carries."""
    data: dict[str, Any] = json.loads(received.body)["data"]
    return data


def tools(some: Iterator[Received] | list[Received]) -> list[str]:
    return [event(each)["tool_name"] for each in some]


def test_a_test_is_sent_to_its_endpoint_alone_and_its_answer_is_said(desk: Desk) -> None:
    tested, other = desk.receiver(), desk.receiver()
    id = desk.endpoint(tested.url, types=["approval.created"])
    other_id = desk.endpoint(other.url)
    done = desk.run("test", id)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("delivered: ")
    [received] = tested.received
    assert event(received)["type"] == "tocsin.endpoint_test"
    assert event(received)["data"]["endpoint_id"] == id

    desk.call("later")
    desk.tried(other_id)
    assert tools(other.received) == ["later"]

    tested.behave = lambda _: Reply(401, body=b"who are you?")
    refused = desk.run("test", id)
    assert refused.returncode == 1
    assert "401" in refused.stderr


def test_the_first_event_arrives_as_it_was_sealed_and_signed(desk: Desk) -> None:
    receiver = desk.receiver()
    made = desk.client.create_webhook(receiver.url, types=["tool_call"])
    assert made.secret is not None
    desk.call("search")
    [received] = receiver.wait(1)
    Verifier(made.secret).verify(received.body, dict(received.headers))
    assert received.headers["webhook-id"] == event(received)["id"]
    assert received.headers["tocsin-attempt"] == "1"
    [attempt] = desk.tried(made.id)
    assert (attempt.outcome, attempt.status, attempt.attempt) == ("delivered", 200, 1)
    assert attempt.event_id == event(received)["id"]
    sealed = httpx.get(
        f"{desk.product.url}/api/v1/events/{attempt.event_id}",
        headers={"Authorization": f"Bearer {desk.key}"},
        timeout=HANG_SECONDS,
    ).json()
    assert event(received)["hash"] == sealed["hash"]


def test_whatever_a_receiver_does_is_told_rightly(desk: Desk) -> None:
    elsewhere = desk.receiver()
    with socket.create_server((LOOPBACK, 0)) as taken:
        gone_port = taken.getsockname()[1]
    hangs = desk.receiver()
    hangs.behave = lambda _: hangs.hang()
    behaviours: dict[str, tuple[str, tuple[str, int | None, str | None]]] = {
        "fails": (
            desk.receiver(lambda _: Reply(500, body=b"token=s3cret-of-ours broke")).url,
            ("failed", 500, None),
        ),
        "is busy": (desk.receiver(lambda _: Reply(503)).url, ("slowed", 503, None)),
        "hangs": (hangs.url, ("failed", None, "timeout")),
        "redirects": (
            desk.receiver(lambda _: Reply(307, [("Location", elsewhere.url)])).url,
            ("failed", 307, None),
        ),
        "is gone": (desk.receiver(lambda _: Reply(410)).url, ("gone", 410, None)),
        "disappeared": (f"http://{LOOPBACK}:{gone_port}/", ("failed", None, "refused")),
        "resets": (desk.receiver(lambda _: Reply(0, resets=True)).url, ("failed", None, "reset")),
        "never ends": (
            desk.receiver(lambda _: Reply(200, body=b"x" * 65_536, endless=True)).url,
            ("delivered", 200, None),
        ),
        "never ends to fail": (
            desk.receiver(lambda _: Reply(500, body=b"y" * 65_536, endless=True)).url,
            ("failed", 500, None),
        ),
    }
    ids = {name: desk.endpoint(url) for name, (url, _) in behaviours.items()}
    desk.call("search")
    for name, (_, expected) in behaviours.items():
        first = desk.tried(ids[name])[0]
        assert (first.outcome, first.status, first.fields["error"]) == expected, name
    assert elsewhere.received == [], "a redirect was followed"

    until(lambda: desk.client.webhook(ids["is gone"]).status == "paused", "410 pauses")
    shown = desk.client.webhook(ids["is gone"]).fields
    assert "410" in shown["reason"]
    told = desk.tried(ids["fails"])[0].fields["answer"]
    assert "s3cret-of-ours" not in told
    assert len(desk.tried(ids["never ends to fail"])[0].fields["answer"]) <= 256
    assert desk.client.webhook(ids["fails"]).status == "active"


def test_what_failed_comes_again_with_its_id_when_the_receiver_works(desk: Desk) -> None:
    receiver = desk.receiver(lambda _: Reply(500))
    id = desk.endpoint(receiver.url, order="strict")
    desk.call("first", "second")
    receiver.wait(1)
    receiver.behave = lambda _: Reply()
    receiver.wait(3)
    assert tools(receiver.received) == ["first", "first", "second"]
    first, again, _ = receiver.received
    assert first.headers["webhook-id"] == again.headers["webhook-id"]
    assert [each.headers["tocsin-attempt"] for each in (first, again)] == ["1", "2"]
    assert [each.outcome for each in desk.tried(id, 3)] == ["failed", "delivered", "delivered"]


def test_both_secrets_sign_while_one_is_rotated(desk: Desk) -> None:
    receiver = desk.receiver()
    made = desk.client.create_webhook(receiver.url, types=["tool_call"])
    assert made.secret is not None
    done = desk.run("rotate", made.id)
    assert done.returncode == 0, done.stderr
    [secret] = re.findall(r"whsec_[A-Za-z0-9+/=]+", done.stdout + done.stderr)
    assert secret != made.secret
    desk.call("both")
    [both] = receiver.wait(1)
    for each in (made.secret, secret):
        Verifier(each).verify(both.body, dict(both.headers))

    last = desk.client.rotate_webhook(made.id, 0)
    assert last.secret is not None
    desk.tried(made.id)
    desk.call("one")
    _, one = receiver.wait(2)
    Verifier(last.secret).verify(one.body, dict(one.headers))
    for old in (made.secret, secret):
        with pytest.raises(WebhookVerificationError):
            Verifier(old).verify(one.body, dict(one.headers))


def test_a_part_of_the_ledger_comes_again_with_the_same_ids(desk: Desk) -> None:
    receiver = desk.receiver()
    id = desk.endpoint(receiver.url)
    desk.call("a", "b", "c")
    first = list(receiver.wait(3))
    desk.tried(id, 3)
    from_seq, to_seq = event(first[1])["seq"], event(first[2])["seq"]
    done = desk.run("replay", id, "--from", str(from_seq), "--to", str(to_seq))
    assert done.returncode == 0, done.stderr
    again = list(receiver.wait(5))[3:]
    assert [each.body for each in again] == [each.body for each in first[1:]]
    assert [each.headers["webhook-id"] for each in again] == [
        each.headers["webhook-id"] for each in first[1:]
    ]
    until(lambda: not desk.client.webhook(id).fields["replays"], "the replay is at its end")
    desk.call("d")
    assert tools(list(receiver.wait(6))[5:]) == ["d"]


@pytest.mark.parametrize("skip_missed", [False, True])
def test_a_pause_and_what_was_missed(desk: Desk, skip_missed: bool) -> None:
    receiver, other = desk.receiver(), desk.receiver()
    id, other_id = desk.endpoint(receiver.url), desk.endpoint(other.url)
    desk.call("before")
    desk.tried(id)
    assert desk.run("pause", id, "--reason", "a new release").returncode == 0
    desk.call("missed")
    desk.tried(other_id, 2)  # it is sealed, and whoever is to be woken was
    done = desk.run("resume", id, *(["--skip-missed"] if skip_missed else []))
    assert done.returncode == 0, done.stderr
    desk.call("after")
    until(lambda: "after" in tools(list(receiver.received)), "it goes on")
    missed = [] if skip_missed else ["missed"]
    assert tools(receiver.received) == ["before", *missed, "after"]


def test_an_org_whose_receivers_hang_holds_up_no_other_and_neither_sees_the_other(
    desks: Callable[[], Desk],
) -> None:
    other = desks()
    receiver = other.receiver()
    id = other.endpoint(receiver.url)
    # On a slow machine requests may be given up before the other org's event is posted at all; that
    # proves nothing, and another org's are made to hang.
    for number in range(_ROUNDS):
        stuck, hanging = _stuck(desks)
        other.call(f"fine {number}")
        receiver.wait(number + 1)
        if not any(stuck.client.webhook_deliveries(each) for each in hanging):
            break
    else:
        raise AssertionError("nothing arrived while another org's receivers were hanging")
    sent = [f"fine {each}" for each in range(number + 1)]
    assert tools(receiver.received) == sent
    arrived = [each for each in other.tried(id, len(sent)) if each.outcome == "delivered"]
    assert [each.event_id for each in arrived] == [event(each)["id"] for each in receiver.received]
    with pytest.raises(ApiError, match="no such endpoint"):
        other.client.webhook(hanging[0])
    assert [each.id for each in other.client.webhooks()] == [id]


def _stuck(desks: Callable[[], Desk]) -> tuple[Desk, list[str]]:
    """Return an org whose endpoints begin to hang, those that are sent to first by now."""
    desk = desks()
    hangs = desk.receiver()
    hangs.behave = lambda _: hangs.hang()
    ids = [desk.endpoint(f"{hangs.url}/{number}") for number in range(_HANGING)]
    desk.call("stuck")
    hangs.wait(1)
    assert set(tools(hangs.received)) == {"stuck"}
    return desk, ids


def test_an_org_with_a_backlog_for_quick_receivers_holds_up_no_other(
    desks: Callable[[], Desk],
) -> None:
    other = desks()
    receiver = other.receiver()
    other.endpoint(receiver.url)
    busy, came = desks(), threading.Event()

    def take(_: Received) -> Reply:
        came.wait(_TAKES_SECONDS)
        return Reply()

    quick = busy.receiver(take)
    ids = [busy.endpoint(f"{quick.url}/{number}") for number in range(_BACKLOGS)]
    busy.call(*("much" for _ in range(_BACKLOG)))
    quick.wait(1)
    other.call("fine")
    receiver.wait(1)
    assert len(quick.received) < _BACKLOGS * _BACKLOG, "it came when the other's had all been sent"
    came.set()
    quick.wait(_BACKLOGS * _BACKLOG)
    for id in ids:
        until(lambda id=id: busy.client.webhook(id).fields["delivered"] == _BACKLOG, "all is noted")  # type: ignore[misc]
    sent = {(each.path, event(each)["seq"]) for each in quick.received}
    assert len(sent) == _BACKLOGS * _BACKLOG


def test_an_approval_that_nobody_answers_is_told_to_whom_it_is_escalated(desk: Desk) -> None:
    usual, escalated = desk.receiver(), desk.receiver()
    types = ["approval.created", "approval.reminder"]
    desk.endpoint(usual.url, types=types)
    desk.endpoint(escalated.url, types=["approval.resolved"], escalation=True)
    with Client(desk.product.url, desk.org.new_key(Scope.INGEST)) as agent:
        asked = agent.ask("exec", "claude", "may I?", ttl=10, on_expiry="escalate")
        [reminder] = list(escalated.wait(1))[:1]
    assert event(reminder)["type"] == "approval.reminder"
    assert event(reminder)["data"]["approval_id"] == asked.id
    assert [event(each)["type"] for each in usual.received] == ["approval.created"]


def test_a_message_to_slack_has_links_that_resolve_the_approval(desk: Desk) -> None:
    slack = desk.receiver(lambda _: Reply(body=b"ok"))
    url = slack.url.replace("/hook", "/services/T0/B0/XXXX")
    id = desk.endpoint(url, format="slack", links=True, types=["approval.created"])
    with Client(desk.product.url, desk.org.new_key(Scope.INGEST)) as agent:
        asked = agent.ask("exec", "claude", "may I <@everyone>?", command="rm -rf build")
        [received] = slack.wait(1)
        blocks = json.loads(received.body)["blocks"]
        links = {
            each["action_id"]: each["url"]
            for block in blocks
            for each in block.get("elements", ())
            if each["type"] == "button"
        }
        assert received.path == "/services/T0/B0/XXXX"
        assert b"rm -rf build" in received.body
        assert b"<@everyone>" not in received.body
        page = httpx.get(links["approve"], timeout=HANG_SECONDS)
        assert page.status_code == 200
        assert agent.approval(asked.id).status == "pending", "who only looks approves nothing"
        [action] = re.findall(r'<form[^>]*action="([^"]*)"', page.text) or [""]
        done = httpx.post(
            httpx.URL(links["approve"]).join(action.replace("&amp;", "&") or links["approve"]),
            data={"approved": "true"},
            timeout=HANG_SECONDS,
        )
        assert done.status_code == 200, done.text
        decided = agent.decision(asked.id)
    assert (decided.approved, decided.resolved_by) == (True, "signed-link")
    [attempt] = desk.tried(id)
    assert attempt.outcome == "delivered"
