"""The folders of a function's process."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from localstack_process import opt


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def layer(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_the_later_layer_lies_over_the_earlier(tmp_path: Path) -> None:
    below = layer(tmp_path / "1", {"python/a.py": "below", "python/b.py": "below"})
    above = layer(tmp_path / "2", {"python/b.py": "above", "bin/c": "above"})
    merged = opt.merged([below, above])
    assert (merged / "python/a.py").read_text() == "below"
    assert (merged / "python/b.py").read_text() == "above"
    assert (merged / "bin/c").read_text() == "above"
    assert (below / "python/b.py").read_text() == "below"
    assert opt.merged([below, above]) == merged
    assert (opt.merged([above, below]) / "python/b.py").read_text() == "below"


def test_without_layers_there_is_an_empty_folder() -> None:
    assert list(opt.merged([]).iterdir()) == []


def test_a_layer_that_is_missing_leaves_nothing_half_made(tmp_path: Path) -> None:
    missing = tmp_path / "later"
    with pytest.raises(FileNotFoundError):
        opt.merged([missing])
    layer(missing, {"python/a.py": "here"})
    assert (opt.merged([missing]) / "python/a.py").read_text() == "here"


def test_the_runtime_is_a_package_with_what_it_requires_and_nothing_else() -> None:
    names = {path.name for path in opt.runtime("httpx").iterdir()}
    assert {"httpx", "httpcore", "h11", "certifi", "idna", "anyio"} <= names
    assert not {"pytest", "boto3", "tocsin", "bin"} & names
