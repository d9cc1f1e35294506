"""The commands as processes: what they print, how they end, and what they load."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from support.commands import TOCSIN, Command, run_command
from support.fake_tocsin import API_KEY, Answer, FakeTocsin, fake_tocsin
from support.waiting import HANG_SECONDS
from tocsin import __version__
from tocsin.cli._app import _COMMANDS
from tocsin.cli._local import ENDPOINTS, VARIABLES
from tocsin.local.layout import NAMES, Layout


@pytest.fixture
def tocsin() -> Iterator[FakeTocsin]:
    with fake_tocsin() as server:
        yield server


def environment(home: Path, **variables: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    return clean | {"TOCSIN_HOME": str(home), "COLUMNS": "100", "NO_COLOR": "1"} | variables


@pytest.fixture
def env(tocsin: FakeTocsin, tmp_path: Path) -> dict[str, str]:
    return environment(tmp_path, TOCSIN_URL=tocsin.url, TOCSIN_API_KEY=API_KEY)


def run(
    *args: str,
    env: dict[str, str],
    stdin: str | None = None,
    program: Sequence[str] | None = None,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run ``tocsin``, or a program that starts it anew."""
    if program is None:
        done = run_command(*args, env=env, stdin=stdin, cwd=cwd)
    else:
        given: dict[str, Any] = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        done = subprocess.run(  # noqa: S603 (our own program)
            [*program, *args],
            **given,
            env=env,
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
            check=False,
        )
    assert "Traceback" not in done.stderr
    return done


def lines(*events: dict[str, Any]) -> str:
    return "".join(json.dumps(event) + "\n" for event in events)


CALL = {"type": "tool_call", "toolName": "a"}


# The root


def test_help_lists_the_commands_and_the_exit_codes(tmp_path: Path) -> None:
    done = run("--help", env=environment(tmp_path))
    assert done.returncode == 0
    for word in ("up", "send", "tail", "mcp", "keys", "set-aside", "Exit codes", "TOCSIN_URL"):
        assert word in done.stdout


@pytest.mark.parametrize("command", _COMMANDS)
def test_each_command_imports_what_it_needs(tmp_path: Path, command: str) -> None:
    done = run(command, "--help", env=environment(tmp_path), program=TOCSIN)
    assert done.returncode == 0, done.stderr
    assert f"tocsin {command}" in done.stdout


@pytest.mark.parametrize("command", ["send", "tail", "mcp"])
def test_each_command_explains_itself(tmp_path: Path, command: str) -> None:
    done = run(command, "--help", env=environment(tmp_path))
    assert done.returncode == 0
    assert "Exit codes" in done.stdout
    assert f"tocsin {command}" in done.stdout


def test_version(tmp_path: Path) -> None:
    assert run("--version", env=environment(tmp_path)).stdout == f"tocsin {__version__}\n"


def test_a_mistyped_command_is_suggested(tmp_path: Path) -> None:
    done = run("sned", env=environment(tmp_path))
    assert done.returncode == 2
    assert "Did you mean 'send'" in done.stderr


@pytest.mark.parametrize("args", [["--help"], ["mcp", "--help"], ["mcp", "--", "true"]])
def test_what_a_command_does_not_need_is_not_imported(env: dict[str, str], args: list[str]) -> None:
    script = (
        "import sys\n"
        "for name in ('boto3', 'botocore', 'starlette', 'uvicorn', 'aws_lambda_powertools'):\n"
        "    sys.modules[name] = None\n"
        "from tocsin.cli import main\n"
        "main()\n"
    )
    done = run(*args, env=env, program=[sys.executable, "-c", script])
    assert (done.returncode, done.stderr) == (0, "")


def test_a_part_that_is_not_installed_is_named(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "sys.modules['tocsin.local'] = sys.modules['tocsin.bootstrap'] = None\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'tocsin.cli.keys':\n"
        "            raise ModuleNotFoundError('No module', name='boto3')\n"
        "sys.meta_path.insert(0, Missing())\n"
        "from tocsin.cli import main\n"
        "main()\n"
    )
    python = [sys.executable, "-c", script]
    done = run("keys", "list", env=environment(tmp_path), program=python)
    assert done.returncode == 2
    assert done.stderr == (
        "tocsin: `tocsin keys` needs boto3: install Tocsin with its extra `functions`, as in "
        f"`pip install 'tocsin-{__version__}-py3-none-any.whl[functions]'`\n"
    )


# Where Tocsin is


def test_local_json_is_found(tocsin: FakeTocsin, tmp_path: Path) -> None:
    found = {"url": tocsin.url, "org": "acme", "api_key": API_KEY}
    (tmp_path / "local.json").write_text(json.dumps(found))
    assert run("send", "--tool", "a", env=environment(tmp_path)).returncode == 0
    assert tocsin.tools == ["a"]


def test_the_default_home_is_in_the_working_directory(tocsin: FakeTocsin, tmp_path: Path) -> None:
    (tmp_path / ".tocsin").mkdir()
    found = {"url": tocsin.url, "api_key": API_KEY}
    (tmp_path / ".tocsin" / "local.json").write_text(json.dumps(found))
    env = environment(tmp_path)
    del env["TOCSIN_HOME"]
    assert run("send", "--tool", "a", env=env, cwd=tmp_path).returncode == 0
    assert tocsin.tools == ["a"]


def test_options_win_over_variables(tocsin: FakeTocsin, tmp_path: Path) -> None:
    env = environment(tmp_path, TOCSIN_URL="http://127.0.0.1:1", TOCSIN_API_KEY="wrong")
    place = ["--url", tocsin.url + "/", "--api-key", API_KEY]
    assert run("send", "--tool", "a", *place, env=env).returncode == 0


def test_the_local_key_is_sent_to_the_local_url_alone(tocsin: FakeTocsin, tmp_path: Path) -> None:
    found = {"url": "http://127.0.0.1:8484", "api_key": API_KEY}
    (tmp_path / "local.json").write_text(json.dumps(found))
    done = run("send", "--tool", "a", "--url", tocsin.url, env=environment(tmp_path))
    assert done.returncode == 2
    assert "can't find an API key" in done.stderr
    assert tocsin.ingests == []


@pytest.mark.parametrize(
    "command", [["send", "--tool", "a"], ["tail"], ["verify"], ["mcp", "--", "true"]]
)
def test_without_a_place_it_says_what_to_do(tmp_path: Path, command: list[str]) -> None:
    done = run(*command, env=environment(tmp_path))
    assert done.returncode == (0 if command[0] == "mcp" else 2)  # the server works all the same
    assert "run `make up` here" in done.stderr
    assert "TOCSIN_API_KEY" in done.stderr


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8484", "ftp://a", "http://", "http://a:b", "http://[::"]
)
def test_what_is_no_url_is_said(tmp_path: Path, url: str) -> None:
    done = run("tail", "--url", url, "--api-key", "k", env=environment(tmp_path))
    assert done.returncode == 2
    assert "reads like http://127.0.0.1:8484" in done.stderr


def test_a_broken_local_json_is_said(tmp_path: Path) -> None:
    (tmp_path / "local.json").write_text("{")
    done = run("tail", env=environment(tmp_path))
    assert done.returncode == 2
    assert "local.json" in done.stderr


def local_json(home: Path, **content: Any) -> None:
    home.mkdir(exist_ok=True)
    (home / "local.json").write_text(json.dumps(content))


TABLES = dict.fromkeys(VARIABLES, "local") | dict.fromkeys(ENDPOINTS, "http://127.0.0.1:1")


def test_the_users_key_does_not_go_to_a_url_from_a_file(tocsin: FakeTocsin, tmp_path: Path) -> None:
    local_json(tmp_path, url=tocsin.url, api_key="tocsin_local_other")
    done = run("send", "--tool", "a", env=environment(tmp_path, TOCSIN_API_KEY=API_KEY))
    assert done.returncode == 2
    assert "set TOCSIN_URL too" in done.stderr
    assert tocsin.ingests == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"env": TABLES | {"AWS_CONFIG_FILE": "x"}}, "'AWS_CONFIG_FILE'"),
        ({"env": TABLES | {"LD_PRELOAD": "x"}}, "'LD_PRELOAD'"),
        ({"env": {"AWS_REGION": "x"}}, "env lacks"),
        ({"env": TABLES | {"AWS_ENDPOINT_URL": "http://example.com"}}, "AWS_ENDPOINT_URL is not"),
        ({"env": TABLES | {"AWS_REGION": 7}}, "AWS_REGION is not text"),
        ({"env": TABLES | {"AWS_REGION": "a\x1b[2Jb"}}, "AWS_REGION is not text"),
        ({"url": "https://example.com", "api_key": "k"}, "url is not an address of this machine"),
        ({"url": "http://127.0.0.1@example.com"}, "url is not an address of this machine"),
        ({"what": "x"}, "'what'"),
        ([], "not a JSON object"),
    ],
)
@pytest.mark.parametrize("command", [["keys", "list"], ["send", "--tool", "a"]])
def test_local_json_is_believed_no_further_than_up_writes_it(
    tmp_path: Path, command: list[str], content: Any, words: str
) -> None:
    (tmp_path / "local.json").write_text(json.dumps(content))
    done = run(*command, env=environment(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_variables_in_local_json_are_those_that_up_writes() -> None:
    layout = Layout(Path("home"), dict.fromkeys(NAMES, 1), Path("sockets"), "key")
    assert set(layout.tables) == VARIABLES


@pytest.mark.parametrize("name", ["", "local.json"])
@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_what_others_can_write_is_not_believed(tmp_path: Path, name: str, mode: int) -> None:
    local_json(tmp_path, url="http://127.0.0.1:1", api_key="k")
    (tmp_path / name).chmod(mode)
    done = run("tail", env=environment(tmp_path))
    assert done.returncode == 2
    assert "can be written by others" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("name", ["", "local.json"])
def test_what_belongs_to_another_user_is_not_believed(tmp_path: Path, name: str) -> None:
    local_json(tmp_path, url="http://127.0.0.1:1", api_key="k")
    os.chown(tmp_path / name, 12345, 12345)
    done = run("tail", env=environment(tmp_path))
    assert done.returncode == 2
    assert "belongs to another user" in done.stderr


def test_a_pipe_in_place_of_local_json_hangs_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "local.json", 0o600)
    assert run("tail", env=environment(tmp_path)).returncode == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NO_PROXY", "[::1"),
        ("no_proxy", "a,http://[::1"),
        ("HTTP_PROXY", "nonsense://x"),
        ("all_proxy", "socks9://x"),
        ("SSL_CERT_FILE", "/no/such/file"),
    ],
)
def test_a_broken_variable_is_one_line_with_its_name(
    env: dict[str, str], name: str, value: str
) -> None:
    elsewhere = ("--url", "http://tocsin.invalid", "--api-key", "k")  # here no proxy is asked
    done = run("tail", *elsewhere, env=env | {name: value})
    assert (done.returncode, done.stdout) == (2, "")
    assert name in done.stderr.partition("can't be used")[0]
    assert done.stderr.count("\n") == 1


def test_a_proxy_that_is_in_the_way_is_named(tmp_path: Path) -> None:
    env = environment(tmp_path, HTTP_PROXY="http://127.0.0.1:1", TOCSIN_API_KEY="k")
    done = run("tail", "--url", "http://127.0.0.2:1", env=env)
    assert done.returncode == 4
    assert "through the proxy in HTTP_PROXY" in done.stderr


def test_a_broken_variable_of_aws_is_named(tmp_path: Path) -> None:
    tables = dict.fromkeys(TABLES, "t") | {"AWS_ENDPOINT_URL": "nonsense"}
    del tables["AWS_ENDPOINT_URL_DYNAMODB"]
    done = run("keys", "list", env=environment(tmp_path, **tables))
    assert done.returncode == 2
    assert done.stderr.startswith("tocsin: AWS_ENDPOINT_URL can't be used")


def test_a_directory_that_is_gone_is_said(tmp_path: Path) -> None:
    env = environment(tmp_path)
    del env["TOCSIN_HOME"]
    gone = f"mkdir {tmp_path}/gone; cd {tmp_path}/gone; rmdir {tmp_path}/gone; exec "
    done = run(env=env, program=["sh", "-c", gone + " ".join([*TOCSIN, "tail"])])
    assert done.returncode == 2
    assert "the working directory is gone" in done.stderr


# send


def test_send_one_event(env: dict[str, str], tocsin: FakeTocsin) -> None:
    options = {
        "--type": "completion",
        "--tool": "gpt",
        "--action": "deny",
        "--session": "s",
        "--agent": "a",
        "--server": "v",
        "--user": "u",
        "--timestamp": "2026-03-19T10:00:00.000Z",
        "--metadata": '{"n": [1]}',
    }
    done = run("send", *(word for option in options.items() for word in option), env=env)
    assert (done.returncode, done.stdout, done.stderr) == (
        (0, "1 ingested, 1,000 left this month\n", "")
    )
    (event,) = tocsin.ingests[0].events
    assert event == {
        "type": "completion",
        "tool_name": "gpt",
        "action": "deny",
        "session_id": "s",
        "agent_id": "a",
        "server_id": "v",
        "user_id": "u",
        "timestamp": "2026-03-19T10:00:00.000Z",
        "metadata": {"n": [1]},
    }


@pytest.mark.parametrize("name", ["-", None])
def test_send_standard_input(env: dict[str, str], tocsin: FakeTocsin, name: str | None) -> None:
    done = run(
        "send", *([name] if name else []), env=env, stdin=lines(CALL, CALL | {"toolName": "b"})
    )
    assert (done.returncode, done.stdout) == (0, "2 ingested, 1,000 left this month\n")
    assert tocsin.tools == ["a", "b"]


def test_a_pipe_is_sent_as_it_comes(env: dict[str, str], tocsin: FakeTocsin) -> None:
    sender = Command("send", "-", env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert sender.stdin
    for number in range(1, 4):
        sender.stdin.write(lines(CALL).encode())
        sender.stdin.flush()
        tocsin.wait_until(lambda count=number: len(tocsin.ledger) == count)  # type: ignore[misc]
    out, _ = sender.communicate(timeout=HANG_SECONDS)
    assert (sender.returncode, out) == (0, b"3 ingested, 1,000 left this month\n")


def test_send_a_file(env: dict[str, str], tocsin: FakeTocsin, tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text("type,toolName\ntool_call,a\ntool_call,b\n")
    assert run("send", str(tmp_path / "history.csv"), env=env).returncode == 0
    assert tocsin.tools == ["a", "b"]


def test_a_file_can_be_sent_again_where_it_stopped(
    env: dict[str, str], tocsin: FakeTocsin, tmp_path: Path
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(lines(*(CALL | {"toolName": f"t{n}"} for n in range(1_500)), {"bad": 1}))
    done = run("send", str(path), env=env)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the first 1,000 events" in done.stderr
    key = done.stderr.split("--idempotency-key ")[1].split()[0]
    path.write_text(lines(*(CALL | {"toolName": f"t{n}"} for n in range(1_500))))
    assert run("send", str(path), "--idempotency-key", key, env=env).returncode == 0
    assert tocsin.tools == [f"t{n}" for n in range(1_500)]


def test_partial_says_what_was_left_out(env: dict[str, str], tocsin: FakeTocsin) -> None:
    done = run("send", "--partial", env=env, stdin=lines(CALL, {"toolName": "b"}))
    assert (done.returncode, done.stdout) == (1, "1 ingested, 1 left out, 1,000 left this month\n")
    assert done.stderr == "tocsin: event 2: events[1].type: Required\n"


def test_a_refusal_says_which_field(env: dict[str, str]) -> None:
    done = run("send", env=env, stdin=lines({"toolName": "b"}))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "tocsin: Validation failed\n  events[0].type: Required\n"


def test_a_wrong_key_says_what_to_do(env: dict[str, str]) -> None:
    done = run("send", "--tool", "a", env=env | {"TOCSIN_API_KEY": "wrong"})
    assert done.returncode == 1
    assert "--api-key or TOCSIN_API_KEY" in done.stderr


def test_a_used_up_quota_is_told_at_once(env: dict[str, str], tocsin: FakeTocsin) -> None:
    tocsin.faults.append(Answer(429, {"Retry-After": "864000"}, {"error": "the quota is used up"}))
    done = run("send", "--tool", "a", env=env)
    assert (done.returncode, done.stderr) == (1, "tocsin: the quota is used up\n")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--metadata", "{"], "--metadata: not JSON"),
        (["--metadata", "[]"], "--metadata: not a JSON object"),
        (["--tool", "a", "file.json"], "but not both"),
        (["no-such-file.json"], "can't read no-such-file.json: No such file"),
    ],
)
def test_wrong_usage_of_send(env: dict[str, str], args: list[str], words: str) -> None:
    done = run("send", *args, env=env)
    assert done.returncode == 2
    assert words in done.stderr


def test_each_refused_event_is_named_by_its_own_index(
    env: dict[str, str], tocsin: FakeTocsin
) -> None:
    events = [CALL] * 2_500
    for index in (5, 1_500, 2_499):
        events[index] = {"toolName": "no type"}
    done = run("send", "--partial", env=env, stdin=lines(*events))
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"tocsin: event {index + 1}: events[{index}].type: Required" for index in (5, 1_500, 2_499)
    ]


def test_a_refusal_names_the_users_own_index(
    env: dict[str, str], tocsin: FakeTocsin, tmp_path: Path
) -> None:
    (tmp_path / "a.jsonl").write_text(lines(*[CALL] * 1_200, {"toolName": "no type"}))
    done = run("send", str(tmp_path / "a.jsonl"), env=env)
    assert done.returncode == 1
    assert "\n  events[1200].type: Required" in done.stderr


def test_lines_that_are_no_json_are_left_out_like_other_refusals(
    env: dict[str, str], tocsin: FakeTocsin
) -> None:
    text = '{"type":"tool\n' + lines(CALL) + "3\nnonsense\n" + lines(CALL)
    done = run("send", "--partial", env=env, stdin=text)
    assert (done.returncode, done.stdout) == (1, "2 ingested, 3 left out, 1,000 left this month\n")
    first, second, third = done.stderr.splitlines()
    assert "event 1: standard input, line 1: not JSON" in first
    assert "event 3: standard input, line 3: an event is a JSON object" in second
    assert "event 4: standard input, line 4: not JSON" in third


class Pipe:
    """A running `tocsin send -` whose input stays open."""

    def __init__(self, env: dict[str, str], *args: str) -> None:
        pipe = subprocess.PIPE
        self.process = Command("send", *args, env=env, stdin=pipe, stdout=pipe, stderr=pipe)

    def write(self, text: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def error(self) -> str:
        assert self.process.stderr
        return bytes(self.process.stderr.readline()).decode()

    def end(self) -> tuple[int, str]:
        """Wait for the process, with its input still open."""
        code = self.process.wait(30)
        assert self.process.stderr
        err = bytes(self.process.stderr.read()).decode()
        self.process.communicate()
        return code, err


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        (lines({"toolName": "nope"}), API_KEY, "events[0].type: Required"),
        ("nonsense\n", API_KEY, "line 1: not JSON"),
        (lines(CALL), "wrong", "--api-key or TOCSIN_API_KEY"),
    ],
)
def test_a_failure_in_an_open_pipe_is_one_message(
    env: dict[str, str], text: str, key: str, words: str
) -> None:
    pipe = Pipe(env | {"TOCSIN_API_KEY": key}, "-")
    pipe.write(text)
    code, err = pipe.end()
    assert (code, err.count("tocsin: ")) == (1, 1)
    assert words in err
    assert "Fatal" not in err


def test_a_fifo_that_fails_does_not_hang(env: dict[str, str], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    sender = Command("send", str(tmp_path / "fifo"), env=env, stderr=subprocess.PIPE)
    with (tmp_path / "fifo").open("wb", buffering=0) as fifo:
        fifo.write(lines({"toolName": "nope"}).encode())
        assert sender.wait(30) == 1
    sender.communicate()


def test_a_torn_first_line_silences_no_pipe(env: dict[str, str], tocsin: FakeTocsin) -> None:
    pipe = Pipe(env, "-", "--partial")
    pipe.write('{"type":"tool\n')
    assert "line 1: not JSON" in pipe.error()
    pipe.write(lines(CALL))
    tocsin.wait_until(lambda: len(tocsin.ledger) == 1)
    pipe.process.communicate(timeout=30)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_pipe_that_is_ended_tells_what_it_knows(
    env: dict[str, str], tocsin: FakeTocsin, number: int, code: int
) -> None:
    pipe = Pipe(env, "-", "--partial")
    pipe.write(lines(CALL, {"toolName": "no type"}))
    assert pipe.error() == "tocsin: event 2: events[1].type: Required\n"
    pipe.process.send_signal(number)
    ended, err = pipe.end()
    assert ended == code
    assert "the first 2 events of standard input are done, 1 of them left out" in err


def test_an_unknown_outcome_tells_the_key_to_go_on_with(
    env: dict[str, str], tocsin: FakeTocsin, tmp_path: Path
) -> None:
    (tmp_path / "a.jsonl").write_text(lines(CALL))
    tocsin.faults += ["lose the answer", *[Answer(503, {"Retry-After": "86400"})] * 2]
    done = run("send", str(tmp_path / "a.jsonl"), env=env)
    assert done.returncode == 1
    key = done.stderr.split("--idempotency-key ")[1].split()[0]
    tocsin.faults.clear()
    again = run("send", str(tmp_path / "a.jsonl"), "--idempotency-key", key, env=env)
    assert again.returncode == 0
    assert len(tocsin.ledger) == 1


def test_ignored_fields_are_told(env: dict[str, str]) -> None:
    events = [CALL | {"unknown_a": 1}, CALL | {"unknown_b": 1, "unknown_a": 1}]
    done = run("send", env=env, stdin=lines(*events))
    assert done.returncode == 0
    told = "tocsin: ignored, for events have no such fields: unknown_a, unknown_b\n"
    assert done.stderr == told


LONG = "123456789012345678901234567890"


def test_a_long_integer_keeps_its_digits(
    env: dict[str, str], tocsin: FakeTocsin, tmp_path: Path
) -> None:
    run("send", "--tool", "a", "--metadata", f'{{"n": {LONG}}}', env=env)
    run("send", env=env, stdin=f'{{"type": "custom", "toolName": "b", "metadata": [{LONG}]}}')
    (tmp_path / "a.csv").write_text(f"type,tool,total_tokens\ncustom,c,{LONG}\n")
    run("send", str(tmp_path / "a.csv"), env=env)
    assert len(tocsin.ingests) == 3
    assert all(LONG.encode() in request.body for request in tocsin.ingests)


@pytest.mark.parametrize("args", [["-"], []])
def test_a_closed_standard_input_is_said(env: dict[str, str], args: list[str]) -> None:
    shell = ["sh", "-c", 'exec "$@" <&-', "sh", *TOCSIN]
    done = run("send", *args, env=env, program=shell)
    assert done.returncode == 2
    assert done.stderr.startswith("tocsin: standard input is closed")


@pytest.mark.parametrize("name", ["NO_PROXY", "HTTPS_PROXY"])
def test_a_variable_that_cannot_be_used_is_one_line(env: dict[str, str], name: str) -> None:
    wrong = env | {name: "[::1]" if name == "NO_PROXY" else "ftp://a"}
    assert run("send", "--tool", "a", env=wrong).returncode == 0  # on this machine
    done = run("send", "--tool", "a", "--url", "http://tocsin.example", env=wrong)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"tocsin: {name}=")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--timestamp", "1712051231230"], "--timestamp: 1712051231230 is no time"),
        (["--timestamp", "2026-03-19T10:00:00"], "has no time zone"),
        (["--idempotency-key", "ü"], "printable ASCII"),
        (["--metadata", '{"a": NaN}'], "--metadata: not JSON (NaN is not JSON)"),
        (["--metadata", '{"a": 1, "a": 2}'], "stands twice"),
    ],
)
def test_what_could_mean_something_else_is_not_sent(
    env: dict[str, str], tocsin: FakeTocsin, args: list[str], words: str
) -> None:
    done = run("send", "--tool", "a", *args, env=env)
    assert done.returncode == 2
    assert words in done.stderr
    assert tocsin.ingests == []


def test_a_terminal_without_utf_8_is_served(env: dict[str, str], tocsin: FakeTocsin) -> None:
    ascii_alone = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    for args in (["--help"], ["--tool", "a"], ["--partial"]):
        ours = env | ascii_alone
        done = run("send", *args, env=ours, stdin="\u00fc\n", program=TOCSIN)
        assert done.returncode == (1 if args == ["--partial"] else 0)
    assert tocsin.tools == ["a"]


def test_a_terminal_sees_progress(env: dict[str, str], tocsin: FakeTocsin, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(lines(*[CALL] * 2_500))
    ours, theirs = pty.openpty()
    del env["NO_COLOR"]
    terminal = env | {"TERM": "xterm-256color"}
    sender = Command("send", str(path), env=terminal, stderr=theirs)
    os.close(theirs)
    seen = b""
    while True:
        try:
            seen += os.read(ours, 65_536)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    assert sender.wait(HANG_SECONDS) == 0
    assert b"events stored" in seen
    assert len(tocsin.ledger) == 2_500


# tail


class Tail:
    """A running `tocsin tail`."""

    def __init__(self, env: dict[str, str], *args: str) -> None:
        pipe = subprocess.PIPE
        self.process = Command("tail", *args, env=env, stdout=pipe, stderr=pipe, text=True)

    def line(self) -> str:
        assert self.process.stdout
        return str(self.process.stdout.readline())

    def interrupt(self) -> tuple[int, str]:
        self.process.send_signal(signal.SIGINT)
        _, err = self.process.communicate(timeout=HANG_SECONDS)
        return self.process.returncode, err


@pytest.fixture
def start_tail(env: dict[str, str]) -> Iterator[Callable[..., Tail]]:
    tails: list[Tail] = []

    def start_one(*args: str) -> Tail:
        tails.append(Tail(env, *args))
        return tails[-1]

    yield start_one
    for tail in tails:
        tail.process.kill()
        tail.process.communicate()


def test_tail_prints_one_line_an_event(start_tail: Callable[..., Tail], tocsin: FakeTocsin) -> None:
    tocsin.store(
        CALL
        | {"serverId": "git", "agentId": "claude", "sessionId": "s1", "action": "allow"}
        | {"latencyMs": 12, "metadata": {"outcome": "tool_error"}}
    )
    tail = start_tail("--after", "0")
    words = "1 10:00:00.000 tool_call allow git/a tool_error 12 ms claude s1"
    assert " ".join(tail.line().split()) == words
    said = {"description": "18 calls a minute"}
    tocsin.store({"type": "anomaly", "anomaly_type": "rate_spike", "data": said})
    shown = tail.line().split()
    assert shown[:6] == ["2", "10:00:00.000", "anomaly", "log", "-", "rate_spike"]
    assert shown[6:10] == ["18", "calls", "a", "minute"]
    assert tail.interrupt() == (130, "")


def test_tail_begins_with_the_next_event(
    start_tail: Callable[..., Tail], tocsin: FakeTocsin
) -> None:
    tocsin.store(CALL)
    tail = start_tail("--json")
    tocsin.wait_until(lambda: len(tocsin.streams) == 1)
    tocsin.store(CALL | {"toolName": "next"})
    assert json.loads(tail.line())["tool_name"] == "next"
    tail.interrupt()


def test_tail_json_is_the_event(start_tail: Callable[..., Tail], tocsin: FakeTocsin) -> None:
    tocsin.store(CALL | {"metadata": {"text": "two\nlines \u2028 é"}})
    tail = start_tail("--json", "--after", "0")
    assert json.loads(tail.line()) == tocsin.ledger[0]
    tail.interrupt()


def test_tail_filters(start_tail: Callable[..., Tail], tocsin: FakeTocsin) -> None:
    wanted = {"sessionId": "s1", "agentId": "a1", "toolName": "t1", "type": "custom"}
    for field in wanted:
        tocsin.store(wanted | {field: "another"})
    tocsin.store(wanted, wanted | {"toolName": "t2"})
    only = ["--session", "s1", "--agent", "a1", "--tool", "t1", "--tool", "t2", "--type", "custom"]
    tail = start_tail("--json", "--after", "0", *only)
    assert [json.loads(tail.line())["seq"] for _ in range(2)] == [5, 6]
    tail.interrupt()


def test_the_server_filters_what_tail_shows(
    start_tail: Callable[..., Tail], tocsin: FakeTocsin
) -> None:
    wanted = {"sessionId": "s1", "agentId": "a1", "serverId": "v1", "action": "deny"}
    wanted |= {"userId": "u1", "model": "m1", "provider": "p1", "complianceTag": "c1"}
    wanted |= {"traceId": "t1", "toolCallId": "c1", "toolName": "exec"}
    tocsin.store(*(CALL | wanted | {field: "another"} for field in wanted), CALL | wanted)
    only = ["--session", "s1", "--agent", "a1", "--server", "v1", "--action", "deny"]
    only += ["--user", "u1", "--model", "m1", "--provider", "p1", "--compliance-tag", "c1"]
    only += ["--trace", "t1", "--call", "c1", "--tool", "exec"]
    tail = start_tail("--json", "--after", "0", *only, "--type", "custom", "--type", "tool_call")
    assert json.loads(tail.line())["seq"] == len(wanted) + 1
    tail.interrupt()
    (query,) = tocsin.queries
    assert query == {
        "types": "custom,tool_call",
        "agent_id": "a1",
        "session_id": "s1",
        "server_id": "v1",
        "action": "deny",
        "user_id": "u1",
        "model": "m1",
        "provider": "p1",
        "compliance_tag": "c1",
        "trace_id": "t1",
        "call_id": "c1",
        "tool_name": "exec",
    }


@pytest.mark.parametrize("option", ["--agent", "--session", "--server", "--action"])
def test_tail_refuses_two_of_what_a_stream_takes_once(env: dict[str, str], option: str) -> None:
    done = run("tail", option, "a", option, "b", env=env)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{option} is given twice" in done.stderr


def test_tail_goes_on_across_drops(start_tail: Callable[..., Tail], tocsin: FakeTocsin) -> None:
    tail = start_tail("--json", "--after", "0")
    for number in range(1, 6):
        tocsin.store(CALL)
        assert json.loads(tail.line())["seq"] == number
        if number % 2:
            tocsin.stop()
            tocsin.start()
    code, err = tail.interrupt()
    assert code == 130
    assert "trying again" in err
    assert "connected again at event" in err


def test_tail_tells_of_a_gap_and_goes_on(
    start_tail: Callable[..., Tail], tocsin: FakeTocsin
) -> None:
    tocsin.store(*[CALL] * 5)
    tocsin.first_kept = 4
    tail = start_tail("--json", "--after", "1")
    assert [json.loads(tail.line())["seq"] for _ in range(2)] == [4, 5]
    assert "events after 1 and before 4" in tail.interrupt()[1]


def test_what_agents_write_cannot_steer_the_terminal(
    start_tail: Callable[..., Tail], tocsin: FakeTocsin
) -> None:
    tocsin.store({"type": "custom", "toolName": "a\x1b[2J\n\r\x9b31m\u202e\u2028[bold]x[/bold]"})
    tail = start_tail("--after", "0")
    mark = "\N{REPLACEMENT CHARACTER}"
    assert f"a{mark}[2J{mark * 3}31m{mark * 2}[bold]x[/bold]" in tail.line()
    tail.interrupt()


def test_a_reader_that_leaves_ends_tail(
    start_tail: Callable[..., Tail], tocsin: FakeTocsin
) -> None:
    tocsin.store(*[CALL] * 5_000)
    tail = start_tail("--after", "0")
    assert tail.process.stdout
    assert tail.process.stderr
    tail.line()
    tail.process.stdout.close()
    assert tail.process.stderr.read() == ""
    assert tail.process.wait(HANG_SECONDS) == 0


HOSTILE = "a\x1b[2J\x1b]0;title\x07\x9b31m\r\u202e\u2028z"


def test_json_steers_no_terminal_and_is_the_same_event(
    start_tail: Callable[..., Tail], tocsin: FakeTocsin
) -> None:
    tocsin.store(CALL | {"metadata": {HOSTILE: HOSTILE + "\x7f \U0001f600"}})
    tail = start_tail("--json", "--after", "0")
    line = tail.line()
    assert json.loads(line) == tocsin.ledger[0]
    assert not set(line) & set("\x1b\x07\x9b\r\u202e\u2028\x7f")
    tail.interrupt()


def test_what_a_server_says_steers_no_terminal(env: dict[str, str], tocsin: FakeTocsin) -> None:
    details = [{"field": HOSTILE, "message": HOSTILE + "\ntocsin: all is well"}]
    tocsin.faults.append(Answer(400, body={"error": HOSTILE, "details": details}))
    done = run("send", "--tool", "a", env=env)
    assert done.returncode == 1
    assert not set(done.stderr) & set("\x1b\x07\x9b\r\u202e\u2028")
    assert not any(line.startswith("tocsin: all") for line in done.stderr.splitlines())


@pytest.mark.parametrize("json_", [[], ["--json"]])
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-16"])
def test_an_output_that_is_not_utf_8_gets_the_same_values(
    env: dict[str, str], tocsin: FakeTocsin, json_: list[str], encoding: str
) -> None:
    tocsin.store(CALL | {"agentId": "h\xe9 \u2026 \U0001f600"})
    tail = subprocess.Popen(  # noqa: S603 (our own program)
        [*TOCSIN, "tail", *json_, "--after", "0"],
        env=env | {"PYTHONIOENCODING": encoding},
        stdout=subprocess.PIPE,
    )
    assert tail.stdout
    line = tail.stdout.readline()
    tail.send_signal(signal.SIGINT)
    assert tail.wait(60) == 130
    tail.stdout.close()
    if encoding != "utf-16":
        text = line.decode(encoding)
        assert json.loads(text) == tocsin.ledger[0] if json_ else "\\u2026" in text


@pytest.mark.parametrize("json_", [[], ["--json"]])
def test_a_terminal_that_is_taken_down_ends_tail(
    env: dict[str, str], tocsin: FakeTocsin, json_: list[str]
) -> None:
    ours, theirs = pty.openpty()
    pipe = subprocess.PIPE
    tail = Command("tail", *json_, "--after", "0", env=env, stdout=theirs, stderr=pipe)
    os.close(theirs)
    tocsin.store(CALL)
    os.read(ours, 10)
    os.close(ours)
    tocsin.store(*[CALL] * 1_000)
    _, err = tail.communicate(timeout=60)
    assert (tail.returncode, err) == (0, b"")


@pytest.mark.parametrize("json_", ["", "--json"])
@pytest.mark.parametrize(
    ("redirection", "words"),
    [(">/dev/full", "can't write to standard output: No space"), (">&-", "it is closed")],
)
def test_an_output_that_cannot_be_written_is_said(
    env: dict[str, str], tocsin: FakeTocsin, json_: str, redirection: str, words: str
) -> None:
    tocsin.store(CALL)
    command = f"{' '.join(TOCSIN)} tail --after 0 {json_} {redirection}"
    done = run(env=env, program=["sh", "-c", command])
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_tail_with_a_wrong_key(env: dict[str, str]) -> None:
    done = run("tail", env=env | {"TOCSIN_API_KEY": "wrong"})
    assert done.returncode == 1
    assert "TOCSIN_API_KEY" in done.stderr


# verify


def told(**fields: Any) -> Answer:
    holds = {"ok": True, "from": 1, "first_bad_seq": None, "reason": None, "next": None}
    return Answer(200, body=holds | fields)


def test_verify_tells_how_far_it_is_and_that_it_holds(
    env: dict[str, str], tocsin: FakeTocsin
) -> None:
    tocsin.faults += [told(to=20_001, next=20_002), told(to=25_000)]
    done = run("verify", env=env)
    assert (done.returncode, done.stdout) == (0, "25,000 events hold, up to seq 25000\n")
    assert done.stderr.splitlines() == ["tocsin: 20,001 checked", "tocsin: 25,000 checked"]
    tocsin.faults += [told(to=0)]
    done = run("verify", env=env)
    assert (done.returncode, done.stdout) == (0, "there are no events\n")


def test_verify_names_the_first_that_is_not_what_was_sealed(
    env: dict[str, str], tocsin: FakeTocsin
) -> None:
    tocsin.faults += [told(ok=False, to=6, first_bad_seq=7, reason="changed \x1b[2J")]
    done = run("verify", "--from", "5", "--to", "9", env=env)
    assert done.returncode == 1
    assert done.stdout.startswith("seq 7 is not what was sealed: changed ")
    assert "\x1b" not in done.stdout
    assert tocsin.lists == [{"from": "5", "to": "9"}]


def test_verify_asks_for_nothing_that_can_not_be(env: dict[str, str], tocsin: FakeTocsin) -> None:
    done = run("verify", "--from", "5", "--to", "4", env=env)
    assert (done.returncode, tocsin.lists) == (2, [])


# approvals

WAITS = {
    "id": "apr_1",
    "status": "pending",
    "tool": "exec",
    "command": "rm -rf \x1b[2J" + "x" * 100,
    "agent": "claude",
    "message": "may I?",
    "expires_at": "2026-03-20T00:00:00.000Z",
}


def test_approvals_that_wait_are_listed(env: dict[str, str], tocsin: FakeTocsin) -> None:
    tocsin.faults += [Answer(200, body={"approvals": [WAITS]}), Answer(200, body={"approvals": []})]
    done = run("approvals", "list", env=env | {"COLUMNS": "200"})
    assert done.returncode == 0, done.stderr
    assert "apr_1" in done.stdout
    assert "may I?" in done.stdout
    assert "\x1b" not in done.stdout
    done = run("approvals", "list", env=env)
    assert done.stdout == "nothing waits for an approval\n"


def test_one_approval_is_shown_whole(env: dict[str, str], tocsin: FakeTocsin) -> None:
    tocsin.faults += [Answer(200, body=WAITS)]
    done = run("approvals", "show", "apr_1", env=env)
    assert json.loads(done.stdout) == WAITS


@pytest.mark.parametrize(
    ("command", "status"), [(["approve"], "approved"), (["approve", "--persist"], "approved")]
)
def test_an_answer_is_told(
    env: dict[str, str], tocsin: FakeTocsin, command: list[str], status: str
) -> None:
    tocsin.faults += [Answer(200, body={"id": "apr_1", "status": status, "approved": True})]
    done = run("approvals", *command, "apr_1", env=env)
    assert (done.returncode, done.stderr) == (0, "apr_1 is approved.\n")
    asked = json.loads(tocsin.ingests[0].body)
    assert asked == {"approved": True, "persist": "--persist" in command}


def test_a_call_is_denied_with_a_reason(env: dict[str, str], tocsin: FakeTocsin) -> None:
    tocsin.faults += [Answer(200, body={"id": "apr_1", "status": "denied", "approved": False})]
    done = run("approvals", "deny", "apr_1", "--reason", "not that folder", env=env)
    assert (done.returncode, done.stderr) == (0, "apr_1 is denied.\n")
    assert json.loads(tocsin.ingests[0].body)["reason"] == "not that folder"


def test_links_are_printed_a_line_each(env: dict[str, str], tocsin: FakeTocsin) -> None:
    until = "2026-03-20T00:00:00.000Z"
    made = {"approve_url": "https://t/a?sig=1", "deny_url": "https://t/d\x1b[2J?sig=2"}
    tocsin.faults += [Answer(200, body=made | {"expires_at": until})]
    done = run("approvals", "links", "apr_1", env=env)
    assert done.returncode == 0, done.stderr
    approve, deny = done.stdout.splitlines()
    assert approve.split() == ["approve", "https://t/a?sig=1"]
    assert "\x1b" not in deny
    assert until in done.stderr


def test_an_approval_that_is_over_is_told_as_such(env: dict[str, str], tocsin: FakeTocsin) -> None:
    tocsin.faults += [Answer(410, body={"error": "it has expired", "code": "OVER"})]
    done = run("approvals", "deny", "apr_1", env=env)
    assert (done.returncode, done.stderr) == (1, "tocsin: it has expired\n")


# policy, sessions, agents


def test_policies_are_tested(env: dict[str, str], tocsin: FakeTocsin, tmp_path: Path) -> None:
    calls, policies = tmp_path / "calls.json", tmp_path / "p.cedar"
    calls.write_text('[{"tool": "exec", "expect": "ask"}]')
    policies.write_text("permit(principal, action, resource);")
    result = {"tool": "exec", "decision": "allow", "matched_policies": ["p"], "message": ""}
    tocsin.faults += [
        Answer(200, body={"results": [result | {"expect": "ask", "ok": False}], "failed": 1}),
        Answer(200, body={"results": [result], "failed": 0}),
    ]
    done = run("policy", "test", str(calls), "--policies", str(policies), env=env)
    assert done.returncode == 1
    assert "ask !" in done.stdout
    assert json.loads(tocsin.ingests[0].body) == {
        "calls": [{"tool": "exec", "expect": "ask"}],
        "policies": "permit(principal, action, resource);",
    }
    assert run("policy", "test", str(calls), env=env).returncode == 0
    calls.write_text("{")
    assert run("policy", "test", str(calls), env=env).returncode == 2
    assert run("policy", "test", str(tmp_path / "none"), env=env).returncode == 2


def test_policies_are_shown(env: dict[str, str], tocsin: FakeTocsin) -> None:
    text = "// one\x1b[2J\npermit(principal, action, resource);"
    tocsin.faults += [Answer(200, body={"version": 2, "count": 1, "policies": text})]
    done = run("policy", "show", "--version", "2", env=env)
    assert done.stdout.endswith("\npermit(principal, action, resource);\n")
    assert "\x1b" not in done.stdout
    assert tocsin.lists == [{"version": "2"}]


SEEN = {
    "id": "team/s",
    "name": "s",
    "status": "suspended",
    "last_seen_at": "2026-03-20T00:00:00.000Z",
    "total_requests": 1_234,
    "denials": 1,
    "error_count": 2,
    "total_tokens": 3,
    "total_cost_usd": 0.5,
}


@pytest.mark.parametrize("command", [["sessions", "list"], ["agents"]])
def test_what_was_seen_is_listed(
    env: dict[str, str], tocsin: FakeTocsin, command: list[str]
) -> None:
    never = SEEN | {"id": "new\x1b[2J\u202e" + "x" * 300, "last_seen_at": None}
    page = Answer(200, body={"data": [SEEN, never]})
    tocsin.faults += [page, Answer(200, body={"data": []})] * 2
    done = run(*command, env=env | {"COLUMNS": "40"})
    assert done.returncode == 0, done.stderr
    _, first, second = done.stdout.splitlines()  # one line each, for whoever reads it from a pipe
    assert all(each in first for each in ("team/s", "suspended", "1,234", "$0.5000"))
    assert "x" * 300 in second
    assert "never" in second
    assert "\x1b" not in second
    assert "\u202e" not in second
    assert "yet" in run(*command, env=env).stdout
    done = run(*command, "--json", env=env)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [SEEN, never]
    assert "\u202e" not in done.stdout
    done = run(*command, "--json", env=env)
    assert (done.returncode, done.stdout) == (0, "")


BUDGET = {
    "id": "bud_1",
    "name": "Claude's",
    "of": "agent",
    "agent_id": "team/a\x1b[2J",
    "limits": {"cost_usd_per_day": 2.5, "calls_per_month": 10_000},
    "action": "block",
    "status": "triggered",
    "usage": {"day": {"cost_usd": 2.75, "calls": 9}, "month": {"calls": 1_234}},
}


def test_budgets_are_listed_and_shown(env: dict[str, str], tocsin: FakeTocsin) -> None:
    of_the_org = BUDGET | {"of": "org", "usage": {}}
    tocsin.faults += [
        Answer(200, body={"data": [BUDGET, of_the_org], "total": 2}),
        Answer(200, body={"data": [BUDGET], "total": 1}),
        Answer(200, body={"data": [], "total": 0}),
        Answer(200, body=BUDGET),
        Answer(404, body={"error": "there is no such budget"}),
    ]
    done = run("budgets", "list", env=env)
    assert done.returncode == 0, done.stderr
    _, first, second = done.stdout.splitlines()
    for each in ("bud_1", "agent team/a\ufffd", "2.75 of 2.5 cost_usd_per_day", "block"):
        assert each in first
    assert "1,234 of 10,000 calls_per_month" in first
    assert "0 of 2.5 cost_usd_per_day" in second
    assert json.loads(run("budgets", "list", "--json", env=env).stdout) == BUDGET
    assert "yet" in run("budgets", "list", env=env).stdout
    done = run("budgets", "show", "bud_1", env=env)
    assert json.loads(done.stdout) == BUDGET
    assert "\x1b" not in done.stdout
    done = run("budgets", "show", "x", env=env)
    assert (done.returncode, done.stderr) == (1, "tocsin: there is no such budget\n")


def test_a_budget_is_set_and_removed(env: dict[str, str], tocsin: FakeTocsin) -> None:
    tocsin.faults += [
        Answer(201, body=BUDGET),
        Answer(200, body=BUDGET),
        Answer(200, body={"deleted": "bud_1"}),
    ]
    limits = ("--limit", "cost_usd_per_day=2.5", "--limit", "calls-per-month=10000")
    done = run("budgets", "set", "--agent", "team/a", *limits, "--action", "block", env=env)
    assert (done.returncode, done.stdout) == (0, "bud_1\n"), done.stderr
    done = run("budgets", "set", "bud_1", "--limit", "tokens_per_day=0", "--disabled", env=env)
    assert done.returncode == 0, done.stderr
    assert run("budgets", "remove", "bud_1", env=env).stderr == "The budget bud_1 is removed.\n"
    assert [json.loads(each.body) for each in tocsin.ingests[:2]] == [
        {
            "limits": {"cost_usd_per_day": 2.5, "calls_per_month": 10_000},
            "action": "block",
            "name": "",
            "enabled": True,
            "agent_id": "team/a",
        },
        {"limits": {"tokens_per_day": 0}, "action": "warn", "name": "", "enabled": False},
    ]


@pytest.mark.parametrize("limit", ["calls_per_day", "x=1e400", "x=nan", "x=", "x=\u00b2", "x=1,0"])
def test_what_is_no_limit(env: dict[str, str], limit: str) -> None:
    done = run("budgets", "set", "--limit", limit, env=env)
    assert done.returncode == 2
    assert "cost_usd_per_day=5" in done.stderr


def test_a_session_is_suspended(env: dict[str, str], tocsin: FakeTocsin) -> None:
    tocsin.faults += [Answer(200, body={"id": "team/s", "status": "suspended"})]
    done = run("sessions", "suspend", "team/s", "--reason", "too fast", env=env)
    assert (done.returncode, done.stderr) == (0, "team/s is suspended.\n")
    assert json.loads(tocsin.ingests[0].body) == {"reason": "too fast"}


def test_an_agent_is_created_with_a_key(env: dict[str, str], tocsin: FakeTocsin) -> None:
    key = {"id": "k1", "key": "tocsin_acme_k1_secret", "scopes": ["ingest"]}
    made = {"id": "team/a", "name": "team/a", "status": "idle", "key": key}
    tocsin.faults += [Answer(201, body=made)]
    options = ("--scope", "ingest", "--label", "team=a=b", "--framework", "mcp")
    done = run("agents", "create", "team/a", *options, env=env)
    assert (done.returncode, done.stdout) == (0, "tocsin_acme_k1_secret\n"), done.stderr
    assert json.loads(tocsin.ingests[0].body) == {
        "id": "team/a",
        "framework": "mcp",
        "labels": {"team": "a=b"},
        "key": {"scopes": ["ingest"]},
    }
    assert run("agents", "create", "a", "--label", "team", env=env).returncode == 2


def test_an_agent_is_described_and_retired(env: dict[str, str], tocsin: FakeTocsin) -> None:
    tocsin.faults += [
        Answer(200, body={"id": "team/a", "name": "A", "status": "idle"}),
        Answer(200, body={"id": "team/a", "name": "A", "status": "retired"}),
    ]
    done = run("agents", "update", "team/a", "--name", "A", "--active", env=env)
    assert (done.returncode, done.stderr) == (0, "team/a is idle.\n")
    done = run("agents", "retire", "team/a", "--reason", "old", env=env)
    assert (done.returncode, done.stderr) == (0, "team/a is retired.\n")
    bodies = [json.loads(each.body) for each in tocsin.ingests]
    assert bodies == [{"name": "A", "status": "active"}, {"reason": "old"}]


def test_a_key_is_delegated(env: dict[str, str], tocsin: FakeTocsin) -> None:
    made = {"id": "k2", "key": "tocsin_acme_k2_secret", "scopes": ["ingest"]}
    tocsin.faults += [Answer(201, body=made | {"expires_at": "2026-03-20T00:00:00.000Z"})]
    done = run("keys", "delegate", "--agent", "reviewer", env=env)
    assert (done.returncode, done.stdout) == (0, "tocsin_acme_k2_secret\n"), done.stderr
    body = {"scopes": ["ingest"], "name": "", "agent": "reviewer"}
    assert json.loads(tocsin.ingests[0].body) == body
