"""What the import bench compares with."""

from subprocess import CalledProcessError

import pytest

from bench.imports import exported


def test_a_revision_s_sources_are_exported_and_removed() -> None:
    with exported("HEAD") as folder:
        assert (folder / "functions" / "ingest" / "handler.py").is_file()
        assert (folder / "layers" / "tocsin" / "__init__.py").is_file()
    assert not folder.exists()


def test_an_unknown_revision_is_refused() -> None:
    with pytest.raises(CalledProcessError), exported("no-such-revision"):
        pass
