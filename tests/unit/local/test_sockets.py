"""The folder of the parts' unix sockets."""

import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from tocsin.local import sockets
from tocsin.local.layout import NAMES, Layout


@pytest.fixture
def short_home() -> Iterator[Path]:
    with TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_in_the_home_and_for_the_user_alone(short_home: Path) -> None:
    with sockets.folder(short_home) as folder:
        assert folder.parent == short_home
        assert mode(folder) == 0o700
        assert list(folder.iterdir()) == []
    assert not folder.exists()


def test_each_run_has_its_own_and_what_a_killed_one_left_is_removed(short_home: Path) -> None:
    killed = sockets.folder(short_home)
    left = killed.__enter__()
    (left / "stream.sock").touch()

    with sockets.folder(short_home) as folder:
        assert folder != left
        assert not left.exists()


def test_where_the_home_cannot_hold_sockets_it_is_elsewhere_and_removed_again(
    tmp_path: Path,
) -> None:
    home = tmp_path / ("long" * 30)
    home.mkdir()

    with sockets.folder(home) as folder:
        assert home not in folder.parents
        assert mode(folder) == 0o700
        for part in NAMES:
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(str(folder / f"{part}.sock"))
    assert not folder.exists()


def test_an_address_leads_to_the_parts_socket(short_home: Path) -> None:
    layout = Layout(short_home, {}, short_home, key="key")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(layout.socket("ingest")))
        listening.listen()
        with (
            httpx.Client(mounts=sockets.blocking(layout), timeout=0.1) as client,
            pytest.raises(httpx.ReadTimeout),  # connected, and nobody answers
        ):
            client.get(layout.url("ingest") + "/health")
