"""What is uploaded: handlers, the shared package, packages, the stream's image, the dashboard.

Each is a folder that holds only what is used, so that the same tree gives the same hash, and a
change gives a new hash only to the folders it is in. CDK copies the folders it is given.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

__all__ = [
    "Dashboard",
    "dashboard",
    "dependencies",
    "function",
    "image",
    "shared",
    "web_function",
]

ROOT = Path(__file__).resolve().parent.parent

_NOT_DEPLOYED = {"client", "cli", "embedded", "local"}  # of the package `tocsin`
_UNUSED = ("*.pyi", "*.pyx", "*.pxd", "*.c", "*.h", "RECORD", "INSTALLER", "REQUESTED")
# The SDK describes every service of AWS; only these are called, and more by those with these locks:
# by who delivers, and who makes checkpoints.
_SERVICES = {"dynamodb", "sqs"}
_MORE_SERVICES = {"deliver": {"kms", "s3", "sesv2"}}


def function(name: str, root: Path = ROOT) -> Path:
    """Return a folder with one handler, importable as ``functions.<name>.handler``."""
    target = _folder()
    _copy(_function_files(name, root), root, target)
    return target


def web_function(name: str, root: Path = ROOT) -> Path:
    """Return a folder with an ASGI application and the ``run.sh`` that serves it."""
    target = function(name, root)
    run = Path("functions", name, "run.sh")
    shutil.copyfile(root / run, target / run)
    (target / run).chmod(0o755)
    return target


def shared(root: Path = ROOT) -> Path:
    """Return the layer with the package ``tocsin``, without the parts that run elsewhere.

    Several stacks have it: it is made once, until a file changes.
    """
    stats = ((path, path.stat()) for path in _shared_files(root))
    return _shared(root, tuple((path, stat.st_size, stat.st_mtime_ns) for path, stat in stats))


@cache
def _shared(root: Path, files: tuple[tuple[Path, int, int], ...]) -> Path:
    target = _folder()
    _copy((path for path, _, _ in files), root / "layers", target / "python")
    _compile(target / "python")
    return target


def dependencies(lock: str, platform: str, root: Path = ROOT) -> Path:
    """Return the layer with the packages of ``requirements/<lock>.txt``, for Python 3.13.

    ``platform`` is uv's name for it (``aarch64-manylinux_2_28``). Wheels are unpacked and nothing
    in them is run, so no Docker is needed. A layer already built from the same lock is used again.
    """
    requirements = root / "requirements" / f"{lock}.txt"
    recipe = hashlib.sha256(requirements.read_bytes() + Path(__file__).read_bytes()).hexdigest()
    target = root / "build" / "dependencies" / f"{lock}-{platform}-{recipe[:16]}"
    if not target.exists():
        partial = target.with_name(f"{target.name}.{os.getpid()}")
        _install(requirements, platform, partial / "python")
        _strip(partial / "python", _SERVICES | _MORE_SERVICES.get(lock, set()))
        _compile(partial / "python")
        try:
            partial.rename(target)
        except OSError:  # another process was faster
            shutil.rmtree(partial)
    return target


def image(root: Path = ROOT) -> Path:
    """Return the build context of the stream service's image."""
    target = _folder()
    _copy(_shared_files(root), root / "layers", target)
    _copy(_function_files("stream", root), root, target)
    shutil.copyfile(root / "requirements" / "stream.txt", target / "requirements.txt")
    shutil.copyfile(root / "infra" / "image" / "Dockerfile", target / "Dockerfile")
    return target


@dataclass(frozen=True, slots=True)
class Dashboard:
    """The built page."""

    files: Path  # a folder, as it is to be in the bucket
    page: str  # the folder in it that holds index.html, and no other build's
    headers: Mapping[str, str]  # which every file is served with


def dashboard(root: Path = ROOT) -> Dashboard:
    """Return the page; it is built if it is not there or older than its sources."""
    built = root / "build" / "dashboard"
    index = built / "index.html"
    command = ["make", "--silent", str(index.relative_to(root))]
    subprocess.run(command, cwd=root, stdout=sys.stderr, check=True)  # noqa: S603 (our own)
    page = f"pages/{hashlib.sha256(index.read_bytes()).hexdigest()[:16]}"
    target = _folder()
    _copy([index], built, target / page)
    _copy(sorted((built / "assets").iterdir()), built, target)
    headers = json.loads(built.with_name("dashboard-headers.json").read_bytes())
    return Dashboard(target, page, headers)


def _function_files(name: str, root: Path) -> Iterator[Path]:
    yield root / "functions" / "__init__.py"
    yield from _python_files(root / "functions" / name)


def _shared_files(root: Path) -> Iterator[Path]:
    package = root / "layers" / "tocsin"
    for path in _python_files(package):
        if path.relative_to(package).parts[0] not in _NOT_DEPLOYED:
            yield path


def _python_files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*.py")) if "__pycache__" not in path.parts)


def _copy(files: Iterable[Path], base: Path, target: Path) -> None:
    for path in files:
        destination = target / path.relative_to(base)
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, destination)
        destination.chmod(0o644)


@cache
def _scratch() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="tocsin-assets-")  # removed when this process ends


def _folder() -> Path:
    return Path(mkdtemp(dir=_scratch().name))


def _install(requirements: Path, platform: str, target: Path) -> None:
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--require-hashes"]
    command += ["--no-deps", "--python", sys.executable]
    command += ["--python-platform", platform, "--python-version", "3.13"]
    command += ["--only-binary", ":all:", "--link-mode", "copy"]
    command += ["--target", str(target), "-r", str(requirements)]
    subprocess.run(command, check=True)  # noqa: S603 (our own arguments)


def _strip(packages: Path, services: Set[str]) -> None:
    """Remove what differs between installations, and what Lambda does not need."""
    shutil.rmtree(packages / "bin", ignore_errors=True)
    for pattern in _UNUSED:
        for path in packages.rglob(pattern):
            path.unlink()
    for path in [*packages.rglob("__pycache__"), *packages.rglob("tests")]:
        shutil.rmtree(path, ignore_errors=True)
    for path in (packages / "botocore" / "data").iterdir():
        if path.is_dir() and path.name not in services:
            shutil.rmtree(path)
    (packages / ".lock").unlink(missing_ok=True)


def _compile(packages: Path) -> None:
    """Add the bytecode, which Lambda can't store: it saves half of a cold start's imports.

    It holds no time and no path of this machine, so that it is the same everywhere.
    """
    command = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(packages), "-p", "/opt/python", str(packages)]
    subprocess.run(command, check=True)  # noqa: S603 (our own arguments)
