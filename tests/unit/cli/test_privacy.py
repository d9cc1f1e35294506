"""``tocsin privacy`` and ``tocsin report``, against a server that answers as Tocsin does."""

import csv
import io
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from support.fake_tocsin import API_KEY
from unit.cli.test_commands import environment, run

SET = {"pii": "flag", "tags": [{"tag": "gdpr", "agent": "*", "tool": "*", "model": "*"}]}
AT = "2026-03-19T10:00:00.000Z"


def event(seq: int) -> dict[str, Any]:
    return {
        "seq": seq,
        "id": f"evt_{seq}",
        "type": "tool_call",
        "session_id": "s",
        "timestamp": AT,
        "received_at": AT,
        "compliance_tag": "gdpr",
        "agent_id": None,
    }


class Answering(ThreadingHTTPServer):
    """Answers as the routes do, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Answering

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        size = int(self.headers["Content-Length"] or 0)
        body = json.loads(self.rfile.read(size) or b"null")
        self.server.asked.append((f"{self.command} {self.path}", body))
        self.send_response(200)
        found: Any = SET | {"set_by": None, "set_at": None}
        if self.path.endswith("/erasures"):
            found = {"user_id": body["user_id"], "erased_by": "ada\x1b[31m", "erased_at": AT}
        if self.path.startswith("/api/v1/events"):
            found = [event(1), event(2)] if "after=" not in self.path else []
            following = {"": "5", "5": "6"}.get(self.path.partition("&after=")[2])
            if following:
                path = self.path.partition("&after=")[0]
                self.send_header("Link", f'<{path}&after={following}>; rel="next"')
        content = json.dumps(found).encode()
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_PUT = do_POST = do_GET


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
    url = f"http://127.0.0.1:{server.server_port}"
    return environment(tmp_path, TOCSIN_URL=url, TOCSIN_API_KEY=API_KEY)


def test_what_is_not_given_stays(env: dict[str, str], server: Answering, tmp_path: Path) -> None:
    done = run("privacy", "set", "--pii", "mask", env=env)
    assert done.returncode == 0, done.stderr
    assert server.asked[-1] == ("PUT /api/v1/privacy", SET | {"pii": "mask"})
    rules = tmp_path / "rules.json"
    rules.write_text('[{"tag": "pci", "tool": "pay*"}]')
    assert run("privacy", "set", "--tags", str(rules), env=env).returncode == 0
    sent = {"pii": "flag", "tags": [{"tag": "pci", "tool": "pay*"}]}
    assert server.asked[-1] == ("PUT /api/v1/privacy", sent)
    assert run("privacy", "set", "--no-tags", env=env).returncode == 0
    assert server.asked[-1][1]["tags"] == []
    rules.write_text("no")
    assert run("privacy", "set", "--tags", str(rules), env=env).returncode == 2
    shown = run("privacy", "show", env=env)
    assert json.loads(shown.stdout)["pii"] == "flag"


def test_what_an_earlier_version_does_not_know_is_not_sent(
    env: dict[str, str], server: Answering
) -> None:
    assert run("privacy", "set", "--erasable", env=env).returncode == 0
    assert server.asked[-1] == ("PUT /api/v1/privacy", SET | {"erasable": True})
    assert run("privacy", "set", "--no-erasable", env=env).returncode == 0
    assert server.asked[-1][1]["erasable"] is False


def test_a_user_is_erased_once_its_id_is_typed(env: dict[str, str], server: Answering) -> None:
    erase = ("erase", "--user", "user_7")
    assert run(*erase, env=env).returncode == 1  # nobody types anything
    wrong = run(*erase, env=env, stdin="user_8\n")
    assert wrong.returncode == 2
    assert "nothing is erased" in wrong.stderr
    assert server.asked == []
    done = run(*erase, env=env, stdin="user_7\n")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stderr
    assert server.asked == [("POST /api/v1/privacy/erasures", {"user_id": "user_7"})]
    done = run(*erase, "--reason", "GDPR", "--yes", env=env)
    assert f"at {AT}" in done.stderr
    assert server.asked[-1][1] == {"user_id": "user_7", "reason": "GDPR"}
    assert run("erase", "--yes", env=env).returncode == 2


def test_a_report_reads_to_the_end(env: dict[str, str], server: Answering) -> None:
    args = ("--tag", "gdpr", "--since", "2026-03-19T00:00:00Z", "--until", "2026-03-20T00:00:00Z")
    done = run("report", *args, env=env)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["tag"], said["by"]) == ("gdpr", "day")
    [row] = said["rows"]
    assert (row["period"], row["tag"], row["events"]) == ("2026-03-19", "gdpr", 2)
    assert len(server.asked) == 3  # a page, an empty one that goes on, and the last
    for path, _ in server.asked:
        for wanted in ("order=asc", "compliance_tag=gdpr", "from=2026-03-19", "to=2026-03-20"):
            assert wanted in path


def test_a_report_as_a_table(env: dict[str, str]) -> None:
    done = run("report", "--format", "csv", "--by", "total", env=env)
    [row] = csv.DictReader(io.StringIO(done.stdout))
    assert (row["period"], row["calls"]) == ("total", "2")


def test_times_that_are_none_are_wrong_usage(env: dict[str, str], server: Answering) -> None:
    done = run("report", "--since", "2026-03-19T00:00:00", env=env)
    assert done.returncode == 2
    assert "--since" in done.stderr
    assert server.asked == []
