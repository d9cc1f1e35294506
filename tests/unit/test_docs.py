"""The documentation says what there is: paths, routes, commands, options, variables, targets."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings
from starlette.routing import Route
from typer.core import TyperCommand, TyperGroup, TyperOption

from fakes.stores import FakeClock
from functions.api.describing import document
from functions.ingest.handler import app as ingest
from functions.stream.app import build
from tocsin import __version__, settings
from tocsin.bootstrap.stream import options, wire
from tocsin.cli._app import app as command_line
from tocsin.client import AsyncClient, Client
from tocsin.domain.keys import Scope
from tocsin.embedded._webhooks import Webhooks
from tocsin.local.poller import PollerSettings
from tocsin.services.sealing.fanout import Report
from tocsin.services.stream.meter import Meter
from tocsin.wire import dialects, page
from tocsin.wire.routes import ROUTES

ROOT = Path(__file__).parents[2]
GUIDES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = [*GUIDES, *sorted((ROOT / "docs" / "decisions").glob("*.md"))]
TEXT = "\n".join(page.read_text() for page in GUIDES)
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
REFERENCE = (ROOT / "docs" / "reference.md").read_text()

CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
A_PATH = re.compile(r"[\w.-]*(/[\w.<>*{},-]*)+|[\w-]+\.(py|md|toml)", re.ASCII)
NO_PATH = re.compile(r"/|(text|application|tools)/")  # a route, a media type, a method of MCP
VARIABLE = re.compile(r"\bTOCSIN_[A-Z]+(?:_[A-Z]+)*(?![A-Z_])")
MADE_LATER = (".tocsin/", ".venv", "build/")
"""What is no part of the checkout."""


def paths(text: str) -> Iterator[str]:
    """Yield the paths that a page names, as links or as code."""
    text = FENCE.sub("", text)
    for link in LINK.findall(text):
        if "://" not in link:
            yield link
    for code in CODE.findall(text):
        if A_PATH.fullmatch(code) and not NO_PATH.match(code) and not code.startswith(MADE_LATER):
            yield code


def exists(path: str, page: Path) -> bool:
    """Whether a path leads somewhere: from its page, the checkout, or the package."""
    pattern = re.sub(r"<\w+>", "*", path).rstrip("/")
    places = (page.parent, ROOT, ROOT / "layers" / "tocsin")
    return any((place / pattern).exists() or any(place.glob(pattern)) for place in places)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_that_is_named_exists(page: Path) -> None:
    assert [path for path in paths(page.read_text()) if not exists(path, page)] == []


def test_a_path_is_known_by_its_looks() -> None:
    text = "[a](b.md) `wire/sse.py` `a.py` `functions/<name>/x.py` `/v1/x` `text/html` `a/b c`"
    assert list(paths(text)) == ["b.md", "wire/sse.py", "a.py", "functions/<name>/x.py"]
    assert not exists("wire/none.py", ROOT / "README.md")
    assert exists("functions/<name>/handler.py", ROOT / "README.md")


@pytest.fixture
def stream_routes(monkeypatch: pytest.MonkeyPatch) -> list[Route]:
    for name in ("JOURNAL", "LEDGER", "STATE"):
        monkeypatch.setenv(f"TOCSIN_{name}_TABLE", name)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    routes = build(wire(), options()).routes
    return [route for route in routes if isinstance(route, Route)]


@pytest.fixture
def every_route(stream_routes: list[Route]) -> set[str]:
    """``GET /v1/x/{id}``, of each service."""
    routes = {
        f"{method} {route.path.replace(':path}', '}')}"
        for route in stream_routes
        for method in (route.methods or {"GET"}) - {"HEAD"}
    }
    routes |= {f"{route.method} {route.path.replace(':path}', '}')}" for route in ROUTES}
    for taken in [*ingest._static_routes, *ingest._dynamic_routes]:
        methods = [taken.method] if isinstance(taken.method, str) else taken.method
        routes |= {f"{method} {taken.path}" for method in methods}
    return routes


def test_every_route_is_documented(every_route: set[str]) -> None:
    compare(every_route, set(re.findall(r"^\| `([A-Z]+ /[^`]*)`", REFERENCE, re.MULTILINE)))


def test_every_route_is_described(every_route: set[str]) -> None:
    described = {
        f"{method.upper()} {path}"
        for path, methods in json.loads(document())["paths"].items()
        for method in methods
    }
    compare(every_route, described)


def test_every_method_of_the_clients_is_documented() -> None:
    section = REFERENCE.partition("## The Python clients")[2].partition("\n## ")[0]
    documented = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", section, re.M))))
    methods = {each for of in (Client, AsyncClient) for each in dir(of) if not each.startswith("_")}
    compare(methods, documented)


def test_every_method_of_the_library_s_webhooks_is_documented() -> None:
    page = (ROOT / "docs" / "webhooks.md").read_text()
    rows_of = re.findall(r"^\| (`.*?) \|", section(page, "In your own application"), re.MULTILINE)
    documented = set(re.findall(r"`(\w+)`", "".join(rows_of)))
    compare({each for each in vars(Webhooks) if not each.startswith("_")}, documented)


def test_every_parameter_of_a_query_is_described() -> None:
    paths = json.loads(document())["paths"]
    for route in ROUTES:
        operation = paths[route.path.replace(":path}", "}")][route.method.lower()]
        described = {each["name"] for each in operation["parameters"] if each["in"] == "query"}
        compare(set(route.query), described, f"of {route.path}")


def test_every_command_and_option_is_documented() -> None:
    told = {
        row[0].strip("`"): set(CODE.findall(row[1]))
        for row in rows(REFERENCE)
        if row[0].startswith("`tocsin")
    }
    root = typer.main.get_group(command_line)
    known = dict(commands(root, typer.Context(root, info_name="tocsin")))
    compare(set(known), set(told))
    for command, its_options in known.items():
        compare(its_options, told[command], f"of {command}")


def commands(
    command: TyperCommand | TyperGroup, context: typer.Context
) -> Iterator[tuple[str, set[str]]]:
    """Yield each command that does something, with its options."""
    its_options = {
        option
        for parameter in command.params
        if isinstance(parameter, TyperOption)
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("--")
    }
    if its_options or not isinstance(command, TyperGroup):
        yield context.command_path, its_options
    if isinstance(command, TyperGroup):
        for name in command.list_commands(context):
            _, found, _ = command.resolve_command(context, [name])
            assert isinstance(found, TyperCommand | TyperGroup)
            inner = typer.Context(found, parent=context, info_name=name)
            yield from commands(found, inner)


def test_every_setting_is_documented_with_its_default() -> None:
    defaults: dict[str, str] = {}
    classes = {each for each in vars(settings).values() if isinstance(each, type)}
    for each in classes:
        if issubclass(each, BaseSettings):
            for field, info in each.model_fields.items():
                defaults[f"TOCSIN_{field}".upper()] = shown(info.get_default())
    told = {row[0].strip("`"): row[1] for row in rows(REFERENCE) if row[0].startswith("`TOCSIN_")}
    compare(set(defaults), set(told) & set(defaults))
    assert {name: told[name] for name in defaults} == defaults


def shown(default: object) -> str:
    """Return a default as the page has it."""
    if default is PydanticUndefined:
        return "required"
    if default is None or default == frozenset():
        return "none"
    return f"{default:g}" if isinstance(default, float) else str(default).lower()


def test_every_variable_is_documented() -> None:
    named = {
        name
        for folder in ("layers", "functions", "infra")
        for source in (ROOT / folder).rglob("*.py")
        for name in VARIABLE.findall(source.read_text())
    }
    named |= {f"TOCSIN_POLLER_{field}".upper() for field in PollerSettings.model_fields}
    compare(named, set(VARIABLE.findall(TEXT)) & named)


def test_every_filter_parameter_and_scope_is_documented() -> None:
    routes = set(CODE.findall(section(REFERENCE, "Routes")))
    known = dialects.PARAMETERS | page.PARAMETERS | set(Scope)
    assert sorted(known - routes) == []


def test_every_metric_is_documented() -> None:
    metrics = {*Report().counts, *Meter(FakeClock()).take([])}
    assert sorted(metrics - set(CODE.findall(TEXT))) == []


def test_every_make_target_is_documented() -> None:
    targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
    told = {code.removeprefix("make ") for code in CODE.findall(TEXT) if code.startswith("make ")}
    compare(set(targets), {target for target in told if not target.startswith(".")})


def test_every_sample_is_on_the_list() -> None:
    folder = ROOT / "events"
    listed = re.findall(r"^\| `([^`]+)`", (folder / "README.md").read_text(), re.MULTILINE)
    there = set(folder.rglob("*.json"))
    named = [set(folder.glob(pattern)) for pattern in listed]
    assert all(named), "documented, and not there"
    assert there == set().union(*named)


def test_the_wheel_is_named_as_it_is_made() -> None:
    wheels = set(re.findall(r"tocsin-[\w.]+-py3-none-any\.whl", TEXT))
    assert wheels == {f"tocsin-{__version__}-py3-none-any.whl"}


def test_every_room_and_every_import_rule_is_on_the_map() -> None:
    rooms = {
        f"{each.name}/"
        for place in (ROOT, ROOT / "layers/tocsin", ROOT / "layers/tocsin/services")
        for each in place.iterdir()
        if (each / "__init__.py").exists()
    }
    assert sorted(room for room in rooms if room not in ARCHITECTURE) == []
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    rules = {contract["name"] for contract in linter["contracts"]}
    compare(rules, set(re.findall(r"^- (.*)", section(ARCHITECTURE, "Who may"), re.MULTILINE)))


def section(page: str, title: str) -> str:
    """Return what is below a heading that begins with the title."""
    return page.partition(f"\n## {title}")[2].partition("\n## ")[0]


def rows(page: str) -> Iterator[list[str]]:
    """Yield the cells of each row of the tables, less what separates them."""
    for line in page.splitlines():
        if line.startswith("| "):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def compare(there: set[str], documented: set[str], of: str = "") -> None:
    assert sorted(there - documented) == [], f"not documented {of}"
    assert sorted(documented - there) == [], f"documented, and not there {of}"
