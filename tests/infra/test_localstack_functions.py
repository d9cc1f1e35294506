"""Functions on LocalStack behave as on Lambda, as far as Tocsin relies on it."""

import os

import pytest

from support.functions import Functions
from support.waiting import until

needs_processes = pytest.mark.skipif(
    "LOCALSTACK_ENDPOINT" in os.environ, reason="about functions that run as processes"
)


def test_a_function_gets_its_event_context_and_variables(functions: Functions) -> None:
    name = functions.create(
        """
import os

def handler(event, context):
    return [
        event,
        context.function_name,
        context.invoked_function_arn.split(":", 5)[5],
        0 < context.get_remaining_time_in_millis() <= 7000,
        {each: os.environ.get(each) for each in (
            "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_REGION",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "_HANDLER", "MINE")},
        os.path.samefile(os.environ["LAMBDA_TASK_ROOT"], os.path.dirname(__file__)),
        [each for each in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
                           "AWS_ENDPOINT_URL") if not os.environ.get(each)],
    ]
""",
        env={"MINE": "yes"},
        timeout_seconds=7,
    )
    assert functions.invoke(name, {"a": "ä"}).payload == [
        {"a": "ä"},
        name,
        f"function:{name}",
        True,
        {
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_REGION": "us-east-1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "_HANDLER": "main.handler",
            "MINE": "yes",
        },
        True,
        [],
    ]


def test_layers_are_merged_and_the_code_comes_first(functions: Functions) -> None:
    below = functions.layer(
        {
            "python/shared/__init__.py": "",
            "python/shared/one.py": "WHO = 'below'",
            "python/main.py": "raise SystemExit",
            "python/lib/python3.13/site-packages/first.py": "WHO = 'site-packages'",
            "python/first.py": "WHO = 'python'",
        }
    )
    above = functions.layer(
        {"python/shared/one.py": "WHO = 'above'", "python/shared/two.py": "WHO = 'above'"}
    )
    name = functions.create(
        """
from shared import one, two
import first

def handler(event, context):
    return [one.WHO, two.WHO, first.WHO]
""",
        layers=[below, above],
    )
    result = functions.invoke(name, None)
    assert result.payload == ["above", "above", "site-packages"], result.log


@needs_processes
def test_only_the_function_and_its_layers_can_be_imported(functions: Functions) -> None:
    name = functions.create(
        """
import importlib.util

def handler(event, context):
    return [name for name in event if importlib.util.find_spec(name)]
"""
    )
    names = ["boto3", "localstack", "moto", "pip", "tocsin", "yaml", "awslambdaric", "json"]
    assert functions.invoke(name, names).payload == ["awslambdaric", "json"]


def test_an_error_of_the_function_is_told_and_logged(functions: Functions) -> None:
    name = functions.create(
        """
def handler(event, context):
    print("before")
    raise KeyError("nothing")
"""
    )
    result = functions.invoke(name, None)
    assert result.error == "Unhandled"
    assert result.payload["errorType"] == "KeyError"
    until(lambda: any("REPORT" in line for line in functions.logged(name)), "the log is there")
    start, said, error, end, report = functions.logged(name)
    assert start.startswith("START RequestId: ") and start.endswith(" Version: $LATEST")
    assert said == "before"
    assert error.startswith("[ERROR] KeyError: 'nothing'")
    assert end.startswith("END RequestId: ")
    assert report.startswith("REPORT RequestId: ") and "Init Duration" in report


def test_a_function_that_cannot_be_imported_says_what_is_missing(functions: Functions) -> None:
    name = functions.create("import is_not_in_the_layer")
    result = functions.invoke(name, None)
    assert result.error == "Unhandled"
    assert result.payload["errorType"] == "Runtime.ImportModuleError"
    assert "is_not_in_the_layer" in result.payload["errorMessage"]


COUNTING = """
import os, time

count = 0

def handler(event, context):
    global count
    count += 1
    if event == "exit":
        os._exit(3)
    if event == "sleep":
        time.sleep(60)
    if event == "large":
        return "x" * (6 * 1024 * 1024 + 200)
    return count
"""


@pytest.mark.parametrize(
    ("event", "error"),
    [
        ("exit", "Runtime.ExitError"),
        ("sleep", "Sandbox.Timedout"),
        ("large", "Function.ResponseSizeTooLarge"),
    ],
)
def test_an_environment_that_failed_starts_anew(
    functions: Functions, event: str, error: str
) -> None:
    name = functions.create(COUNTING, timeout_seconds=1)
    assert [functions.invoke(name, None).payload for _ in range(2)] == [1, 2]
    result = functions.invoke(name, event)
    assert (result.error, result.payload["errorType"]) == ("Unhandled", error)
    assert functions.invoke(name, None).payload == 1


def test_answers_up_to_six_megabytes(functions: Functions) -> None:
    name = functions.create("def handler(event, context): return 'x' * event")
    assert len(functions.invoke(name, 6 * 1024 * 1024).payload) == 6 * 1024 * 1024


@needs_processes
def test_what_cannot_run_as_a_process_is_refused_with_the_reason(functions: Functions) -> None:
    name = functions.create("", runtime="python3.12", wait=False)
    until(lambda: functions.configuration(name)["State"] == "Failed", "the function is refused")
    assert "python3.13, not python3.12" in functions.configuration(name)["StateReason"]
