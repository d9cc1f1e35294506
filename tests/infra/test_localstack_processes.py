"""What a LocalStack without Docker leaves behind: nothing."""

import tempfile
from pathlib import Path

import psutil
import pytest

from support import localstack_processes
from support.functions import Functions
from support.localstack import LocalStack
from support.processes import running


def test_localstack_s_processes_and_files_are_gone_when_it_has_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = set(psutil.Process().children(recursive=True))
    with localstack_processes.started() as url:
        functions = Functions(LocalStack(url, "its own"))
        name = functions.create(
            "import subprocess\n"
            "def handler(event, context):\n"
            "    return subprocess.Popen(['sleep', '600']).pid"
        )
        child = functions.invoke(name, None).payload
        started = set(psutil.Process().children(recursive=True)) - before
        assert child in {process.pid for process in started}
        assert sum("launch.py" in " ".join(process.cmdline()) for process in started) == 1
    assert running(process.pid for process in started) == []
    assert list(tmp_path.iterdir()) == []
