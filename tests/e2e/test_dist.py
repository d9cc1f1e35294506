"""`make dist`: the wheel on a machine without the repository, against a running product."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import pytest

from support.orgs import NewOrg
from support.product import Product
from support.programs import Program
from support.waiting import HANG_SECONDS, until
from tocsin.client import Client
from tocsin.domain.keys import Scope

pytestmark = pytest.mark.xdist_group("product")

ROOT = Path(__file__).parents[2]
HOOK = ROOT / "events" / "hooks" / "claude-code" / "pre-tool-use-bash.json"
MCP_SERVER = """
import json, sys
for line in sys.stdin:
    call = json.loads(line)
    print(json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": {"content": []}}), flush=True)
"""
MCP_CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "shipped"}}


def built(folder: Path) -> Path:
    """Make the wheel as a user does, but into a folder."""
    make = ["make", "--no-print-directory", "-o", ".venv/.ready", "dist", f"DIST={folder}"]
    subprocess.run(make, cwd=ROOT, check=True, capture_output=True, timeout=HANG_SECONDS)  # noqa: S603
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("dist"))


@dataclass
class Machine:
    """Somebody's machine, on which nothing but the wheel is installed."""

    home: Path
    variables: dict[str, str]

    @property
    def python(self) -> Path:
        return self.home / "venv" / "bin" / "python"

    def install(self, what: str) -> None:
        """Install from what uv has; what it has not comes from the index, as for `make`."""
        uv: list[str | Path] = [ROOT / ".venv-infra" / "bin" / "uv", "pip", "install", "--quiet"]
        locked: list[str | Path] = ["--constraints", ROOT / "requirements" / "dev.txt"]
        for how in (["--offline"], []):
            done = subprocess.run(  # noqa: S603
                [*uv, *how, *locked, "--python", self.python, what],
                capture_output=True,
                text=True,
                timeout=HANG_SECONDS,
                check=False,
            )
            if done.returncode == 0:
                return
        raise AssertionError(done.stderr)

    def start(self, *args: str, stdin: str = "", **variables: str) -> Program:
        folder = self.home / f"program-{len(list(self.home.iterdir()))}"
        folder.mkdir()
        (folder / "stdin").write_text(stdin)
        command = 'exec "$0" "$@" < stdin'
        env = self.variables | variables
        tocsin = str(self.python.with_name("tocsin"))
        return Program.start(["sh", "-c", command, tocsin, *args], env, folder)

    def run(self, *args: str, status: int = 0, stdin: str = "", **variables: str) -> Program:
        program = self.start(*args, stdin=stdin, **variables)
        try:
            assert program.wait() == status, f"{args}\n{program.output}\n{program.errors}"
        finally:
            program.stop()
        assert "Traceback" not in program.errors
        return program


@pytest.fixture(scope="module")
def org(product: Product) -> NewOrg:
    return NewOrg(product)


def with_tocsin(home: Path, org: NewOrg, what: str) -> Machine:
    """Return a machine on which this was installed."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home / "venv"], check=True)  # noqa: S603
    variables = {
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PATH": os.pathsep.join((str(home / "venv" / "bin"), os.defpath)),
        "TOCSIN_URL": org.product.url,
        "TOCSIN_API_KEY": org.new_key(Scope.INGEST),
    }
    machine = Machine(home, variables)
    machine.install(what)
    return machine


@pytest.fixture(scope="module")
def machine(wheel: Path, org: NewOrg, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return with_tocsin(tmp_path_factory.mktemp("machine"), org, str(wheel))


@pytest.fixture(scope="module")
def reader(org: NewOrg) -> Iterator[Client]:
    with Client(org.product.url, org.key) as client:
        yield client


def until_seen(reader: Client, **fields: str) -> None:
    def seen() -> bool:
        events = [each.fields for each in reader.replay(limit=1_000)]
        return any(fields.items() <= each.items() for each in events)

    until(seen, f"an event with {fields}")


def test_the_wheel_holds_the_package_its_types_and_its_licence_alone(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        assert {name.split("/")[0] for name in names} == {
            "tocsin",
            f"{'-'.join(wheel.name.split('-')[:2])}.dist-info",
        }
        modules = {name for name in names if name.endswith(".py")}
        here = (ROOT / "layers").rglob("tocsin/**/*.py")
        assert modules == {str(path.relative_to(ROOT / "layers")) for path in here}
        assert "tocsin/py.typed" in names
        [licence] = [name for name in names if name.endswith("licenses/LICENSE")]
        assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()


def test_the_same_files_make_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    assert built(tmp_path / "again").read_bytes() == wheel.read_bytes()


def test_an_event_is_sent_and_watched(machine: Machine, org: NewOrg) -> None:
    assert machine.run("send", "--tool", "shipped_send").output.startswith("1 ingested")
    watch = ("tail", "--json", "--after", "0", "--until", "tool_call")
    told = machine.run(*watch, "--timeout", str(HANG_SECONDS), TOCSIN_API_KEY=org.key)
    assert json.loads(told.lines[-1])["tool_name"] == "shipped_send"


def test_an_mcp_server_is_relayed(machine: Machine, reader: Client) -> None:
    (machine.home / "server.py").write_text(MCP_SERVER)
    server = (sys.executable, str(machine.home / "server.py"))
    told = machine.run("mcp", "--", *server, stdin=json.dumps(MCP_CALL) + "\n")
    assert json.loads(told.output)["result"] == {"content": []}
    until_seen(reader, tool_name="shipped")


def test_a_coding_agent_s_hooks_are_set_up_and_hold_a_call(
    machine: Machine, reader: Client
) -> None:
    machine.run("install", "claude-code")
    assert "holds a call that Tocsin denies" in machine.run("doctor").output
    payload = json.loads(HOOK.read_bytes()) | {"session_id": "ses_shipped"}
    machine.run("hook", "claude-code", stdin=json.dumps(payload))
    until_seen(reader, session_id="ses_shipped", type="tool_call")


def test_the_proxy_names_its_extra_and_runs_with_it(
    machine: Machine, org: NewOrg, wheel: Path, tmp_path: Path
) -> None:
    told = machine.run("proxy", status=2).errors
    [advice] = re.findall(r"`pip install '(.*)'`", told)
    assert advice == f"{wheel.name}[proxy]"
    equipped = with_tocsin(tmp_path, org, f"{wheel.parent}/{advice}")
    proxy = equipped.start("proxy", "--port", "0", PYTHONUNBUFFERED="1")
    try:
        proxy.until(lambda: "ANTHROPIC_BASE_URL=http" in proxy.output, "it listens")
        os.killpg(proxy.process.pid, signal.SIGTERM)
        assert proxy.wait() == 0, proxy.errors
    finally:
        proxy.stop()


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (("up",), "needs the repository"),
        (("keys", "list"), "with its extra `functions`"),
        (("set-aside", "--all"), "with its extra `functions`"),
        (("report",), "with its extra `functions`"),
        (("verify", "--trust", "log+00000000+AA=="), "with its extra `evidence`"),
    ],
)
def test_what_needs_more_says_so(machine: Machine, command: tuple[str, ...], what: str) -> None:
    tables = {f"TOCSIN_{name}_TABLE": name for name in ("JOURNAL", "LEDGER", "STATE")}
    told = machine.run(*command, status=2, **tables)
    assert what in told.errors
    assert told.errors.count("\n") == 1


def test_every_command_explains_itself_without_more(machine: Machine) -> None:
    program = (
        "from typer.main import get_group; from tocsin.cli._app import _COMMANDS, app\n"
        "from tocsin.cli._failure import Failure\n"
        "for name in _COMMANDS:\n"
        "    try: get_group(app).resolve_command(None, [name])\n"
        "    except Failure as failure: print(name)\n"
    )
    done = subprocess.run(  # noqa: S603
        [machine.python, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["report"]
