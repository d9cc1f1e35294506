"""The Lambda host, through its Invoke API."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from support.waiting import HANG_SECONDS
from tocsin.local.environment import MAX_PAYLOAD_BYTES, Function
from tocsin.local.functions import hosted
from tocsin.local.host import application
from tocsin.local.layout import Layout
from tocsin.local.parts import environment, parts

ROOT = Path(__file__).parents[3]
RELEASED = threading.Event()


def echo(event: Any, context: Any) -> Any:
    return {
        "event": event,
        "name": context.function_name,
        "arn": context.invoked_function_arn,
        "request_id": context.aws_request_id,
        "left": context.get_remaining_time_in_millis(),
        "memory": context.memory_limit_in_mb,
    }


def broken(event: Any, context: Any) -> Any:
    raise ValueError("no such thing")


def hanging(event: Any, context: Any) -> Any:
    RELEASED.wait(HANG_SECONDS)


HANDLERS = {
    "echo": echo,
    "broken": broken,
    "hanging": hanging,
    "exiting": lambda event, context: exit(1),
    "opaque": lambda event, context: object(),
    "huge": lambda event, context: "x" * MAX_PAYLOAD_BYTES,
}


@pytest.fixture
def discarded() -> list[str]:
    return []


@pytest.fixture
def client(discarded: list[str]) -> Iterator[TestClient]:
    async def discard() -> None:
        discarded.append("process")

    functions = {
        name: Function(name, handler, 0.2 if name == "hanging" else 30, memory_mb=1024)
        for name, handler in HANDLERS.items()
    }
    RELEASED.clear()
    with TestClient(application(functions, discard)) as client:
        yield client
    RELEASED.set()


def invoke(client: TestClient, name: str, content: bytes = b'{"a": 1}') -> Any:
    return client.post(f"/2015-03-31/functions/{name}/invocations", content=content)


def test_the_handler_gets_the_event_and_a_context(client: TestClient) -> None:
    answer = invoke(client, "echo")

    result = answer.json()
    assert answer.status_code == 200
    assert "X-Amz-Function-Error" not in answer.headers
    assert result["event"] == {"a": 1}
    assert result["name"] == "echo"
    assert result["arn"].endswith(":function:echo")
    assert result["request_id"] == answer.headers["X-Amzn-RequestId"]
    assert 0 < result["left"] <= 30_000
    assert result["memory"] == 1024


def test_an_exception_is_a_function_error(
    client: TestClient, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = invoke(client, "broken")

    error = answer.json()
    assert answer.status_code == 200
    assert answer.headers["X-Amz-Function-Error"] == "Unhandled"
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "no such thing")
    assert any("broken" in frame for frame in error["stackTrace"])
    assert "no such thing" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("exiting", "SystemExit"),
        ("opaque", "Runtime.MarshalError"),
        ("huge", "Function.ResponseSizeTooLarge"),
    ],
)
def test_what_cannot_be_returned_is_a_function_error(
    client: TestClient, name: str, kind: str
) -> None:
    answer = invoke(client, name)

    assert answer.headers["X-Amz-Function-Error"] == "Unhandled"
    assert answer.json()["errorType"] == kind


def test_a_handler_that_takes_too_long_costs_the_environment(
    client: TestClient, discarded: list[str]
) -> None:
    answer = invoke(client, "hanging")

    assert answer.headers["X-Amz-Function-Error"] == "Unhandled"
    assert "timed out after 0.20 seconds" in answer.json()["errorMessage"]
    assert discarded == ["process"]


@pytest.mark.parametrize(
    ("name", "content", "status"),
    [
        ("absent", b"{}", 404),
        ("echo", b"{", 400),
        ("echo", b"x" * (MAX_PAYLOAD_BYTES + 1), 413),
    ],
)
def test_a_wrong_invocation_is_refused(
    client: TestClient, name: str, content: bytes, status: int
) -> None:
    assert invoke(client, name, content).status_code == status


def test_one_invocation_runs_at_a_time() -> None:
    running, most = 0, 0
    together = threading.Barrier(3)

    def handler(event: Any, context: Any) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        running -= 1

    async def discard() -> None: ...

    functions = {name: Function(name, handler, 30) for name in ("one", "two")}
    with TestClient(application(functions, discard)) as client:

        def call(name: str) -> None:
            together.wait(HANG_SECONDS)
            for _ in range(20):
                invoke(client, name)

        threads = [threading.Thread(target=call, args=(name,)) for name in functions]
        for thread in threads:
            thread.start()
        together.wait(HANG_SECONDS)
        for thread in threads:
            thread.join()

    assert most == 1


def test_health_is_answered(client: TestClient) -> None:
    assert client.get("/health").status_code == 200


def test_each_function_of_a_process_reports_under_its_own_name() -> None:
    code = """
import sys
from tocsin.local.functions import hosted
from tocsin.local.host import load
for name in load(hosted("project")):
    handler = sys.modules[f"functions.{name}.handler"]
    print(name, handler.logger.service, handler.metrics.provider.service or handler.metrics.service)
"""
    layout = Layout(Path("/home"), {"dynamodb": 1}, Path("/home"), key="key")
    described = {part.name: part for part in parts(layout, ROOT)}
    told = subprocess.run(  # noqa: S603 (our own code)
        [sys.executable, "-c", code],
        env=environment(layout, described["project"], ROOT, os.environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    names = [each.name for each in hosted("project")]
    assert told.stdout.splitlines() == [f"{name} {name} {name}" for name in names]
