"""The dashboard's build: the same each time, small, and nothing in it from elsewhere."""

import gzip
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_DASHBOARD = _ROOT / "dashboard"
_MAX_BYTES = 90_000  # compressed, all of it


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "dashboard"
    build(folder)
    return folder


def build(folder: Path) -> None:
    node = _ROOT / ".venv-nodejs" / "bin"
    assert node.is_dir(), "Node is missing: `make build/dashboard/index.html`"
    path = f"{node}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(  # noqa: S603 (our own program)
        [node / "node", _DASHBOARD / "build.mjs", folder], check=True, env={"PATH": path}
    )


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def headers(folder: Path) -> dict[str, str]:
    read: dict[str, str] = json.loads(Path(f"{folder}-headers.json").read_bytes())
    return read


def test_the_same_sources_give_the_same_bytes(built: Path, tmp_path: Path) -> None:
    build(tmp_path / "again")
    assert contents(tmp_path / "again") == contents(built)
    assert headers(tmp_path / "again") == headers(built)


def test_all_of_it_is_small(built: Path) -> None:
    sizes = {name: len(gzip.compress(data, 9)) for name, data in contents(built).items()}
    assert sum(sizes.values()) <= _MAX_BYTES, sizes


def test_the_page_runs_the_one_script_that_its_policy_names(built: Path) -> None:
    page = (built / "index.html").read_text()
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 1
    attributes, inline = scripts[0]
    (integrity,) = re.findall(r'integrity="([^"]+)"', attributes)
    assert inline == ""
    policy = headers(built)["Content-Security-Policy"]
    assert f"script-src '{integrity}';" in policy
    assert "default-src 'none';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "unsafe" not in policy
    for name in re.findall(r'(?:src|href)="/([^"]+)"', page):
        assert (built / name).is_file()


def test_nothing_is_asked_for_elsewhere(built: Path) -> None:
    for name, data in contents(built).items():
        addresses = set(re.findall(rb"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", data))
        # Namespaces of XML are names, and the links of an error's text are followed by nobody.
        assert {each for each in addresses if b"w3.org" not in each} == set(), name


def test_the_lock_has_hashes_and_no_addresses() -> None:
    lock = json.loads((_DASHBOARD / "package-lock.json").read_bytes())
    packages = {name: each for name, each in lock["packages"].items() if name}
    assert packages
    for name, each in packages.items():
        assert each["integrity"].startswith("sha512-"), name
        assert "resolved" not in each, name
