"""The home of ``tocsin up``."""

import os
import stat
from pathlib import Path

import pytest

from tocsin.local.run import CannotStart, make_folders


@pytest.mark.parametrize("before", [None, 0o755, 0o777, 0o700])
def test_the_home_is_for_the_user_alone_whoever_made_it(tmp_path: Path, before: int | None) -> None:
    home = tmp_path / "home"
    if before is not None:
        home.mkdir()
        home.chmod(before)

    make_folders(home)

    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert (home / "logs").is_dir()


def test_a_home_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)

    with pytest.raises(CannotStart, match=r"belongs to another user.*TOCSIN_HOME"):
        make_folders(tmp_path)


def test_a_folder_for_everybodys_files_is_no_home(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)

    with pytest.raises(CannotStart, match=r"everybody's files.*TOCSIN_HOME"):
        make_folders(tmp_path)

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o1777
