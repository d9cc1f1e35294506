"""Each capability's package names the modules of it that others may import."""

import ast
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = ROOT / "layers/tocsin/services"
CAPABILITIES = sorted(each.name for each in SERVICES.iterdir() if (each / "__init__.py").exists())


@cache
def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.ImportFrom(module=str(module), level=0):
                found |= {module, *(f"{module}.{name.name}" for name in node.names)}
            case ast.Import():
                found |= {name.name for name in node.names}
    return found


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_others_import_only_what_a_capability_s_face_names(capability: str) -> None:
    package = f"tocsin.services.{capability}"
    face = set(import_module(package).__all__)
    modules = {path.stem for path in (SERVICES / capability).glob("*.py")} - {"__init__"}
    outside = [
        path
        for folder in ("layers/tocsin", "functions")
        for path in (ROOT / folder).rglob("*.py")
        if not path.is_relative_to(SERVICES / capability)
    ]
    used = {
        name.removeprefix(f"{package}.").partition(".")[0]
        for path in outside
        for name in imported(path)
        if name.startswith(f"{package}.")
    }
    assert used & modules == face
