"""The folders of a function's process that LocalStack does not make."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import distribution
from pathlib import Path
from threading import Lock

from packaging.requirements import Requirement

__all__ = ["merged", "runtime"]

_making = Lock()


def merged(layers: Sequence[Path]) -> Path:
    """Return one folder with the content of the layers, the later over the earlier: ``/opt``.

    Functions with the same layers share it, and what Python compiles in it.
    """

    def fill(folder: Path) -> None:
        for layer in layers:
            shutil.copytree(layer, folder, symlinks=True, dirs_exist_ok=True)

    return _made("opt", [str(layer) for layer in layers], fill)


def runtime(package: str = "awslambdaric") -> Path:
    """Return a folder with this package, what it requires, and nothing else: ``/var/runtime``."""

    def fill(folder: Path) -> None:
        for name in sorted(set(_with_requirements(package))):
            installed = distribution(name)
            tops = {file.parts[0] for file in installed.files or [] if file.parts[0] != ".."}
            for top in tops - {"__pycache__"}:
                (folder / top).symlink_to(str(installed.locate_file(top)))

    return _made("runtime", [package], fill)


def _with_requirements(name: str) -> Iterator[str]:
    yield name
    for line in distribution(name).requires or []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield from _with_requirements(requirement.name)


def _made(kind: str, key: Sequence[str], fill: Callable[[Path], None]) -> Path:
    """Return the folder of this kind and key, filled on first use, and whole when it is there."""
    name = hashlib.sha256("\n".join(key).encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir(), "lambda", kind, name)
    with _making:
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
                content = Path(unfinished, "content")
                content.mkdir()
                fill(content)
                content.rename(folder)
    return folder
