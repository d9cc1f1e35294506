"""One execution environment of a function, with a small runtime in place of AWS's."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from localstack_process.runtime_api import Answer
from localstack_process.sandbox import Function, Sandbox, Stopped

from support.processes import running
from support.waiting import until

RUNTIME = Path(__file__).parent / "runtime"
LARGEST = 100_000

SOURCE = """
import json, os, subprocess, sys, time

count = 0

def handler(event, headers):
    global count
    count += 1
    match event:
        case {"print": text}:
            print(text, flush=True)
        case {"raise": text}:
            raise ValueError(text)
        case {"exit": status}:
            os._exit(status)
        case {"large": size}:
            return "x" * size
        case "headers":
            return headers
        case {"stay": path}:
            with open(path, "w") as file:
                json.dump([os.getpid(), subprocess.Popen(["sleep", "600"]).pid], file)
            time.sleep(600)
    return [os.getpid(), count]
"""


class Stage:
    """A sandbox with the function's source in a folder."""

    def __init__(self, folder: Path) -> None:
        self.code = folder / "code"
        self.code.mkdir()
        self.write(SOURCE)
        self.sandbox = Sandbox(
            Function(
                version="$LATEST",
                code=self.code,
                timeout_seconds=1,
                memory_mb=128,
                max_response_bytes=LARGEST,
            )
        )
        self.env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(self.code),
            "LAMBDA_RUNTIME_DIR": str(RUNTIME),
            "_HANDLER": "main.handler",
        }

    def write(self, source: str) -> None:
        (self.code / "main.py").write_text(source)

    def start(self) -> None:
        self.sandbox.start(self.env)

    def invoke(self, event: Any, request_id: str = "id-1") -> tuple[Answer, str]:
        return self.sandbox.invoke(request_id, "arn:f", "Root=1", json.dumps(event).encode())

    def result(self, event: Any) -> Any:
        answer, log = self.invoke(event)
        assert not answer.is_error, log
        return json.loads(answer.payload)


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.sandbox.stop()


def error(answer: Answer) -> tuple[str, str]:
    assert answer.is_error
    described = json.loads(answer.payload)
    return described["errorType"], described["errorMessage"]


def test_one_process_serves_one_invocation_after_another(on: Stage) -> None:
    on.start()
    (first, one), (second, two) = on.result(None), on.result(None)
    assert (first, one, two) == (second, 1, 2)
    assert first != os.getpid()


def test_what_the_runtime_is_told(on: Stage) -> None:
    on.start()
    headers = on.result("headers")
    assert headers["Lambda-Runtime-Aws-Request-Id"] == "id-1"
    assert headers["Lambda-Runtime-Invoked-Function-Arn"] == "arn:f"
    assert headers["Lambda-Runtime-Trace-Id"] == "Root=1"
    left_ms = int(headers["Lambda-Runtime-Deadline-Ms"]) - time.time() * 1000
    assert 0 < left_ms <= 1_000


def test_a_chunked_answer_arrives_whole_up_to_the_limit(on: Stage) -> None:
    on.start()
    assert len(on.result({"large": LARGEST - 2})) == LARGEST - 2
    answer, _ = on.invoke({"large": LARGEST - 1})
    assert error(answer)[0] == answer.fault == "Function.ResponseSizeTooLarge"
    assert on.result(None)[1] == 1


def test_what_it_prints_is_in_the_log_of_its_invocation(on: Stage) -> None:
    on.write("print('at start', flush=True)\n" + SOURCE)
    on.start()
    _, first = on.invoke({"print": "one"}, "id-1")
    _, second = on.invoke({"print": "two"}, "id-2")
    lines = first.splitlines()
    assert lines[:4] == [
        "START RequestId: id-1 Version: $LATEST",
        "at start",
        "one",
        "END RequestId: id-1",
    ]
    assert "Init Duration: " in lines[4]
    assert second.splitlines()[1:3] == ["two", "END RequestId: id-2"]
    assert "Init Duration: " not in second


def test_an_error_of_the_function_keeps_the_process(on: Stage) -> None:
    on.start()
    answer, _ = on.invoke({"raise": "no"})
    assert error(answer) == ("ValueError", "no")
    assert answer.fault is None
    assert on.result(None)[1] == 2


def test_a_function_that_cannot_start_is_tried_again_with_each_invocation(on: Stage) -> None:
    on.write("raise RuntimeError('not today')")
    on.start()
    answer, log = on.invoke(None)
    assert error(answer) == ("RuntimeError", "not today")
    assert "RuntimeError: not today" in log
    on.write(SOURCE)
    assert on.result(None)[1] == 1


def test_a_function_that_exits_starts_anew(on: Stage) -> None:
    on.start()
    answer, log = on.invoke({"exit": 3})
    assert error(answer) == ("Runtime.ExitError", "Runtime exited with error: exit status 3")
    assert log.endswith("Status: error\tError Type: Runtime.ExitError\n")
    assert on.result(None)[1] == 1


def pids(path: Path) -> list[int]:
    until(lambda: path.exists() and path.read_text().endswith("]"), "the function runs")
    return list(json.loads(path.read_text()))


def test_a_timeout_ends_the_process_and_its_children(on: Stage, tmp_path: Path) -> None:
    on.start()
    answer, log = on.invoke({"stay": str(tmp_path / "pids")})
    assert error(answer) == (
        "Sandbox.Timedout",
        "RequestId: id-1 Error: Task timed out after 1.00 seconds",
    )
    assert log.endswith("Status: timeout\n")
    until(lambda: not running(pids(tmp_path / "pids")), "the processes end")
    assert on.result(None)[1] == 1


def test_stopping_ends_the_running_invocation_and_everything_else(
    on: Stage, tmp_path: Path
) -> None:
    on.start()
    with ThreadPoolExecutor(1) as pool:
        invoking = pool.submit(on.invoke, {"stay": str(tmp_path / "pids")})
        started = pids(tmp_path / "pids")
        on.sandbox.stop()
        assert error(invoking.result()[0])[0] == "Runtime.ExitError"
    until(lambda: not running(started), "its processes are gone")
    with pytest.raises(Stopped):
        on.invoke(None)


def test_stopping_interrupts_the_start(on: Stage, tmp_path: Path) -> None:
    on.write(f"open({str(tmp_path / 'started')!r}, 'w').close()\nimport time\ntime.sleep(600)")
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(on.start)
        until(lambda: (tmp_path / "started").exists(), "the function starts")
        on.sandbox.stop()
        with pytest.raises(Stopped):
            starting.result()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent")
def test_a_function_does_not_outlive_who_started_it(on: Stage, tmp_path: Path) -> None:
    program = f"""
        import threading
        from pathlib import Path
        from localstack_process.sandbox import Function, Sandbox
        sandbox = Sandbox(Function("1", Path({str(on.code)!r}), 60, 128, 1000))
        def start():
            sandbox.start({on.env!r})
        starter = threading.Thread(target=start)  # ends before the function does
        starter.start()
        starter.join()
        sandbox.invoke("id", "arn", "", b'{{"stay": "{tmp_path / "pids"}"}}')
    """
    parent = subprocess.Popen(  # noqa: S603 (our own program)
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path)},
    )
    try:
        function, child = pids(tmp_path / "pids")
        assert running([function])
        parent.kill()
        parent.wait()
        until(lambda: not running([function]), "the function ends")
        os.kill(child, signal.SIGKILL)  # what a function leaves behind is beyond the kernel's help
    finally:
        parent.kill()
        parent.wait()
