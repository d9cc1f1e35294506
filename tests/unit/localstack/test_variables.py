"""The environment variables of a function's process."""

from pathlib import Path

from localstack_process.variables import variables

FOLDERS = {"code": Path("/c"), "opt": Path("/o"), "runtime": Path("/r")}


def test_localstacks_folders_are_replaced_and_its_own_variables_left_out() -> None:
    env = variables(
        {
            "LAMBDA_TASK_ROOT": "/var/task",
            "LAMBDA_RUNTIME_DIR": "/var/runtime",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": 128,
            "LOCALSTACK_RUNTIME_ID": "x",
            "MINE": "yes",
        },
        python="3.13",
        **FOLDERS,
    )
    assert env["LAMBDA_TASK_ROOT"] == "/c"
    assert env["LAMBDA_RUNTIME_DIR"] == "/r"
    assert env["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "128"
    assert env["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"
    assert env["MINE"] == "yes"
    assert "LOCALSTACK_RUNTIME_ID" not in env


def test_the_code_comes_before_the_layers() -> None:
    search = "/c:/o/python/lib/python3.13/site-packages:/o/python"
    assert variables({}, python="3.13", **FOLDERS)["PYTHONPATH"] == search
    own = variables({"PYTHONPATH": "/mine"}, python="3.13", **FOLDERS)
    assert own["PYTHONPATH"] == f"{search}:/mine"
