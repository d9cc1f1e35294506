"""``tocsin anomalies``, ``detection``, ``demo``, and ``tail --until``."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from support.fake_tocsin import API_KEY, FakeTocsin, fake_tocsin
from tocsin.cli.demo.spike import calls
from unit.cli.test_commands import environment, run

ONE = {
    "id": "evt_1",
    "kind": "rate_spike",
    "severity": "warning",
    "status": "snoozed",
    "description": "many\x1b[31m",
    "detected_at": "2026-03-20T00:00:00.000Z",
    "subject": {"kind": "tool", "tool_name": "exec", "server_id": "db"},
    "until": "2026-03-21T00:00:00.000Z",
}
HOURS = {"from": "08:00", "to": "18:00", "days": [0], "time_zone": "UTC"}
SETTINGS = {
    "enabled": True,
    "false_alerts_per_day": 1.0,
    "kinds": ["silence"],
    "hours": HOURS,
    "suspend_from": None,
    "set_by": None,
    "known_kinds": [{"kind": "silence"}, {"kind": "rate_spike"}],
}


class Answering(ThreadingHTTPServer):
    """Answers as detection's routes do, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def env(self) -> dict[str, str]:
        url = f"http://127.0.0.1:{self.server_port}"
        return {"TOCSIN_URL": url, "TOCSIN_API_KEY": API_KEY}


class _Handler(BaseHTTPRequestHandler):
    server: Answering

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        size = int(self.headers["Content-Length"] or 0)
        body = json.loads(self.rfile.read(size) or b"null")
        self.server.asked.append((f"{self.command} {self.path}", body))
        known: Any = {"data": [ONE]} if "?" in self.path else ONE
        content = json.dumps(SETTINGS if "detection" in self.path else known).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_PUT = do_GET


@pytest.fixture
def server() -> Iterator[Answering]:
    with Answering() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def env(server: Answering, tmp_path: Path) -> dict[str, str]:
    return environment(tmp_path, **server.env)


def test_alerts_are_listed_and_shown(env: dict[str, str], server: Answering) -> None:
    done = run(
        "anomalies", "list", "--kind", "rate_spike", "--limit", "7", env=env | {"COLUMNS": "200"}
    )
    assert done.returncode == 0, done.stderr
    assert "exec of db" in done.stdout
    assert "\x1b" not in done.stdout
    assert server.asked == [("GET /api/v1/anomalies?kind=rate_spike&limit=7", None)]
    shown = run("anomalies", "show", "evt_1", env=env)
    assert json.loads(shown.stdout) == ONE


@pytest.mark.parametrize(
    ("args", "path", "body"),
    [
        (["acknowledge", "evt_1", "--reason", "r"], "acknowledge", {"reason": "r"}),
        (["false-positive", "evt_1"], "false-positive", {"reason": ""}),
        (["snooze", "evt_1", "--seconds", "60"], "snooze", {"reason": "", "seconds": 60}),
    ],
)
def test_what_is_said_of_an_alert(
    env: dict[str, str], server: Answering, args: list[str], path: str, body: Any
) -> None:
    done = run("anomalies", *args, env=env)
    assert (done.returncode, done.stderr) == (
        0,
        "evt_1 is snoozed until 2026-03-21T00:00:00.000Z.\n",
    )
    assert server.asked == [(f"POST /api/v1/anomalies/evt_1/{path}", body)]


@pytest.mark.parametrize(
    ("args", "changed"),
    [
        ([], {}),
        (
            ["--disabled", "--false-alerts-per-day", "3"],
            {"enabled": False, "false_alerts_per_day": 3},
        ),
        (["--kind", "rate_spike"], {"kinds": ["rate_spike"]}),
        (["--all-kinds"], {"kinds": ["silence", "rate_spike"]}),
        (["--hours", "none"], {"hours": None}),
        (["--hours", "22:00-06:00"], {"hours": HOURS | {"from": "22:00", "to": "06:00"}}),
        (
            ["--days", "5,6", "--time-zone", "Asia/Tokyo"],
            {"hours": HOURS | {"days": [5, 6], "time_zone": "Asia/Tokyo"}},
        ),
        (["--suspend-from", "critical"], {"suspend_from": "critical"}),
        (["--suspend-from", "none"], {"suspend_from": None}),
    ],
)
def test_what_is_not_given_stays(
    env: dict[str, str], server: Answering, args: list[str], changed: dict[str, Any]
) -> None:
    done = run("detection", "set", *args, env=env)
    assert done.returncode == 0, done.stderr
    kept = {name: SETTINGS[name] for name in SETTINGS if name not in ("set_by", "known_kinds")}
    assert server.asked[1:] == [("PUT /api/v1/detection", kept | changed)]


@pytest.mark.parametrize(
    "args",
    [
        ["anomalies", "snooze", "evt_1"],
        ["anomalies", "snooze", "evt_1", "--seconds", "60", "--until", "2026-03-20"],
        ["detection", "set", "--kind", "silence", "--all-kinds"],
        ["detection", "set", "--days", "monday"],
        ["detection", "set", "--hours", "none", "--days", "1"],
        ["tail", "--timeout", "1"],
        ["tail", "--until", "x", "--timeout", "nan"],
        ["tail", "--until", "x", "--timeout", "-1"],
        ["tail", "--until", "x", "--timeout", "1e400"],
    ],
)
def test_wrong_usage(env: dict[str, str], server: Answering, args: list[str]) -> None:
    assert run(*args, env=env).returncode == 2
    assert not [asked for asked, _ in server.asked if not asked.startswith("GET")]


@pytest.fixture
def tocsin() -> Iterator[FakeTocsin]:
    with fake_tocsin() as tocsin:
        yield tocsin


@pytest.fixture
def tail(tocsin: FakeTocsin, tmp_path: Path) -> dict[str, str]:
    return environment(tmp_path, TOCSIN_URL=tocsin.url, TOCSIN_API_KEY=API_KEY)


def test_tail_ends_with_what_it_waits_for(tail: dict[str, str], tocsin: FakeTocsin) -> None:
    assert run("send", "--type", "tool_call", "--tool", "a", env=tail).returncode == 0
    assert run("send", "--type", "anomaly", "--tool", "b", env=tail).returncode == 0
    assert run("send", "--type", "tool_call", "--tool", "c", env=tail).returncode == 0
    for until in ("anomaly.detected", "anomaly"):
        done = run("tail", "--after", "0", "--json", "--until", until, "--timeout", "300", env=tail)
        assert done.returncode == 0, done.stderr
        assert [json.loads(line)["tool_name"] for line in done.stdout.splitlines()] == ["a", "b"]
    asked = ["--type", "custom", "--until", "anomaly.detected"]
    assert run("tail", "--after", "0", *asked, env=tail).returncode == 0
    assert tocsin.queries[-1]["types"] == "custom,anomaly,anomaly.detected"


def test_tail_says_that_it_did_not_come_in_time(tail: dict[str, str]) -> None:
    run("send", "--tool", "a", env=tail)
    done = run("tail", "--after", "0", "--until", "anomaly", "--timeout", "0.5", env=tail)
    assert (done.returncode, done.stderr) == (3, "tocsin: no anomaly within 0.5 seconds\n")


def test_a_history_is_marked_as_one(tail: dict[str, str], tocsin: FakeTocsin) -> None:
    events = json.dumps([{"type": "tool_call", "toolName": "a"}])
    assert run("send", "--backfill", "-", env=tail, stdin=events).returncode == 0
    assert run("send", "--backfill", "--tool", "b", env=tail).returncode == 0
    assert run("send", "--tool", "c", env=tail).returncode == 0
    assert [each.backfill for each in tocsin.ingests] == [True, True, False]


def test_a_spike_follows_on_a_history(tail: dict[str, str], tocsin: FakeTocsin) -> None:
    done = run("demo", "spike", env=tail)
    assert done.returncode == 0, done.stderr
    sent = Counter[bool]()
    for each in tocsin.ingests:
        sent[each.backfill] += len(each.events)
    assert sent[False] == 400
    assert 1_500 < sent[True] < 2_100
    assert len({event["server_id"] for each in tocsin.ingests for event in each.events}) == 1


def test_a_history_comes_in_order_at_random_intervals() -> None:
    end = datetime(2026, 3, 20, tzinfo=UTC)
    start = end - timedelta(hours=6)
    times = [each["timestamp"] for each in calls("s", start, end)]
    assert times == sorted(times)
    assert start.isoformat() < times[0] and times[-1] < end.isoformat()
    assert times == [each["timestamp"] for each in calls("s", start, end)]
