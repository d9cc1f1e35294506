"""One product per home."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tocsin.local.lock import HomeTaken, lock_home


def test_a_home_is_taken_once(tmp_path: Path) -> None:
    descriptor = lock_home(tmp_path)

    with pytest.raises(HomeTaken) as taken:
        lock_home(tmp_path)

    assert taken.value.pid == os.getpid()
    os.close(descriptor)
    os.close(lock_home(tmp_path))


def test_no_link_leads_the_lock_elsewhere(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    home = tmp_path / "home"
    home.mkdir()
    (home / "lock").symlink_to(victim)

    with pytest.raises(OSError, match="symbolic link"):
        lock_home(home)

    assert victim.read_text() == "precious"


def test_it_waits_for_the_children_of_one_that_was_killed(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    code = (
        "import os, subprocess; from pathlib import Path;"
        "from tocsin.local.lock import lock_home;"
        f"lock = lock_home(Path({str(tmp_path)!r}));"
        f"subprocess.Popen(['sh', '-c', 'sleep 0.3; touch {saved}'], pass_fds=[lock]);"
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603 (our own code)

    descriptor = lock_home(tmp_path)

    assert saved.exists()
    os.close(descriptor)
