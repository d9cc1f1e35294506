"""``tocsin webhooks``."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.fake_tocsin import API_KEY, Answer, FakeTocsin, fake_tocsin
from unit.cli.test_commands import environment, run

ENDPOINT: dict[str, Any] = {
    "id": "ep_1",
    "url": "https://a.example.com/\x1b[2J",
    "format": "tocsin",
    "status": "active",
    "description": "SIEM",
    "through_seq": 1_234,
    "failing": [{"seq": 7}],
    "given_up": 2,
}
MADE = ENDPOINT | {"secret": "whsec_x"}
DELIVERY: dict[str, Any] = {
    "seq": 7,
    "type": "tool_call\x1b[2J",
    "event_id": "evt_1",
    "attempt": 3,
    "at": "2026-03-20T00:00:00.000Z",
    "outcome": "failed",
    "status": 503,
    "latency_ms": 1_031,
    "error": None,
    "given_up": False,
}


UNREADABLE = [{"id": "ep_\x1b", "url": None, "reason": "KeyError('url')"}]


@pytest.fixture
def tocsin() -> Iterator[FakeTocsin]:
    with fake_tocsin() as server:
        yield server


@pytest.fixture
def env(tocsin: FakeTocsin, tmp_path: Path) -> dict[str, str]:
    return environment(tmp_path, TOCSIN_URL=tocsin.url, TOCSIN_API_KEY=API_KEY)


def sent(tocsin: FakeTocsin) -> list[Any]:
    return [json.loads(each.body) if each.body else None for each in tocsin.ingests]


def test_endpoints_are_listed_and_shown(env: dict[str, str], tocsin: FakeTocsin) -> None:
    tocsin.faults += [
        *(Answer(200, body={"data": [ENDPOINT], "total": 1, "unreadable": UNREADABLE}),) * 4,
        *(Answer(200, body={"data": [], "total": 0}),) * 2,
        Answer(200, body=ENDPOINT),
        Answer(404, body={"error": "there is no such endpoint"}),
    ]
    done = run("webhooks", "list", env=env)
    assert done.returncode == 0, done.stderr
    _, row = done.stdout.splitlines()
    for each in ("ep_1", "tocsin", "a.example.com/\ufffd", "active", "1,234", "SIEM"):
        assert each in row
    assert "ep_\ufffd can't be read (KeyError('url'))" in done.stderr
    assert json.loads(run("webhooks", "list", "--json", env=env).stdout) == ENDPOINT
    assert "yet" in run("webhooks", "list", env=env).stdout
    shown = run("webhooks", "show", "ep_1", env=env)
    assert json.loads(shown.stdout) == ENDPOINT
    assert "\x1b" not in shown.stdout
    done = run("webhooks", "show", "x", env=env)
    assert (done.returncode, done.stderr) == (1, "tocsin: there is no such endpoint\n")


def test_one_is_made_and_its_secret_is_printed(env: dict[str, str], tocsin: FakeTocsin) -> None:
    tocsin.faults += [Answer(201, body=MADE), Answer(201, body=ENDPOINT), Answer(200, body=MADE)]
    done = run("webhooks", "add", "https://a.example.com", env=env)
    assert (done.returncode, done.stdout) == (0, "ep_1\nwhsec_x\n"), done.stderr
    options: tuple[str, ...] = ("--type", "a", "--type", "b", "--agent", "c")
    options += ("--tool", "t", "--action", "deny")
    options += ("--severity", "warning", "--order", "strict", "--escalation", "--no-links")
    options += ("--format", "splunk", "--from", "7", "--description", "d")
    secret = env | {"TOCSIN_WEBHOOK_TOKEN": "tok", "TOCSIN_WEBHOOK_SECRET": "whsec_y"}
    done = run("webhooks", "add", "https://b.example.com", *options, env=secret)
    assert (done.returncode, done.stdout) == (0, "ep_1\n"), done.stderr
    done = run("webhooks", "rotate", "ep_1", "--overlap-seconds", "0", env=env)
    assert (done.returncode, done.stdout) == (0, "whsec_x\n"), done.stderr
    assert sent(tocsin) == [
        {"url": "https://a.example.com", "format": "tocsin"},
        {
            "url": "https://b.example.com",
            "types": ["a", "b"],
            "agent_id": "c",
            "tool_name": "t",
            "action": "deny",
            "severity": "warning",
            "description": "d",
            "order": "strict",
            "escalation": True,
            "links": False,
            "token": "tok",
            "format": "splunk",
            "secret": "whsec_y",
            "from_seq": 7,
        },
        {"overlap_seconds": 0},
    ]


def test_one_is_changed_paused_resumed_and_removed(env: dict[str, str], tocsin: FakeTocsin) -> None:
    paused = ENDPOINT | {"status": "paused"}
    tocsin.faults += [
        *(Answer(200, body=each) for each in (ENDPOINT, ENDPOINT, paused, ENDPOINT)),
        Answer(200, body={"deleted": "ep_1"}),
    ]
    assert run("webhooks", "update", "ep_1", "--description", "", env=env).returncode == 0
    assert run("webhooks", "update", "ep_1", "--everything", "--tool", "t", env=env).returncode == 0
    done = run("webhooks", "pause", "ep_1", "--reason", "moving", env=env)
    assert done.stderr == "ep_1 is paused.\n"
    done = run("webhooks", "resume", "ep_1", "--skip-missed", env=env)
    assert done.stderr == "ep_1 is active.\n"
    done = run("webhooks", "remove", "ep_1", env=env)
    assert done.stderr == "The endpoint ep_1 is removed.\n"
    none = dict.fromkeys(("types", "agent_id", "action", "severity"))
    assert sent(tocsin)[:4] == [
        {"description": ""},
        none | {"tool_name": "t"},
        {"reason": "moving"},
        {"skip_missed": True},
    ]


@pytest.mark.parametrize(
    ("found", "code", "says"),
    [
        ([DELIVERY | {"event_id": "evt_t", "outcome": "delivered", "status": 204}], 0, "HTTP 204"),
        ([DELIVERY | {"event_id": "evt_t"}], 1, "HTTP 503 after 1,031 ms"),
        ([DELIVERY | {"event_id": "evt_t", "status": None, "error": "timeout"}], 1, "timeout"),
        ([DELIVERY], 3, "was not tried within 0 seconds"),
    ],
)
def test_a_test_says_what_became_of_it(
    env: dict[str, str], tocsin: FakeTocsin, found: list[Any], code: int, says: str
) -> None:
    tocsin.faults += [
        Answer(202, body={"event_id": "evt_t"}),
        Answer(200, body={"data": found}),
    ]
    done = run("webhooks", "test", "ep_1", "--timeout", "0", env=env)
    assert done.returncode == code, done.stderr
    assert says in (done.stdout if code == 0 else done.stderr)


def test_a_test_waits_until_it_is_tried(env: dict[str, str], tocsin: FakeTocsin) -> None:
    tocsin.faults += [
        Answer(202, body={"event_id": "evt_t"}),
        Answer(200, body={"data": [DELIVERY]}),
        Answer(200, body={"data": []}),
        Answer(200, body={"data": [DELIVERY, DELIVERY | {"event_id": "evt_t", "outcome": "gone"}]}),
    ]
    done = run("webhooks", "test", "ep_1", env=env)
    assert done.returncode == 1
    assert "it is not delivered: HTTP 503" in done.stderr


def test_a_part_is_replayed(env: dict[str, str], tocsin: FakeTocsin) -> None:
    replay = {"replay": {"next_seq": 3, "to_seq": 9}, "expired_through_seq": 2}
    tocsin.faults += [Answer(202, body=ENDPOINT | replay)]
    done = run("webhooks", "replay", "ep_1", "--from", "1", env=env)
    assert done.returncode == 0, done.stderr
    assert "3 to 9" in done.stderr
    assert "through 2 are older" in done.stderr
    assert sent(tocsin) == [{"from_seq": 1}]


@pytest.mark.parametrize(
    "args",
    [
        ("replay", "ep_1"),
        ("replay", "ep_1", "--from", "1", "--since", "2026-03-20"),
        ("replay", "ep_1", "--since", "2026-03-20T10:00:00"),
        ("add", "https://a.example.com", "--severity", "bad"),
        ("add", "https://a.example.com", "--format", "fax"),
        ("add", "https://a.example.com", "--from", "0"),
        ("rotate", "ep_1", "--overlap-seconds", "-1"),
    ],
)
def test_what_is_asked_for_wrongly_is_not_sent(
    env: dict[str, str], tocsin: FakeTocsin, args: tuple[str, ...]
) -> None:
    assert run("webhooks", *args, env=env).returncode == 2
    assert tocsin.ingests == []


@pytest.mark.parametrize("of", ["deliveries", "given-up"])
def test_attempts_are_listed(env: dict[str, str], tocsin: FakeTocsin, of: str) -> None:
    last = DELIVERY | {"given_up": True, "error": "reset", "status": None}
    tocsin.faults += [
        Answer(200, body={"data": [DELIVERY, last]}),
        Answer(200, body={"data": [DELIVERY]}),
        Answer(200, body={"data": []}),
    ]
    done = run("webhooks", of, "ep_1", env=env | {"COLUMNS": "200"})
    assert done.returncode == 0, done.stderr
    _, first, second = done.stdout.splitlines()
    for each in ("tool_call\ufffd", "failed", "HTTP 503", "1,031", "evt_1"):
        assert each in first
    assert "given up" in second
    assert "reset" in second
    assert json.loads(run("webhooks", of, "ep_1", "--json", env=env).stdout) == DELIVERY
    assert "nothing was" in run("webhooks", of, "ep_1", env=env).stdout
