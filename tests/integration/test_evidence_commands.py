"""``tocsin export`` and ``tocsin verify --trust`` against the service, the stores on MiniStack."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from integration.test_list import Product, product
from integration.test_log_routes import Reader
from support.commands import run_command
from support.databases import Database
from tocsin.domain.org import Org

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Stranger:
    """Somebody who has the commands, a key of the log from elsewhere, and a folder."""

    reader: Reader
    home: Path

    @property
    def on(self) -> Product:
        return self.reader.on

    @property
    def trust(self) -> Path:
        path = self.home / "log.key"
        path.write_text(f"{self.reader.key}\n")
        return path

    async def run(self, *args: str | Path, status: int = 0) -> CompletedProcess[str]:
        env = {
            "PATH": os.environ["PATH"],
            "TOCSIN_HOME": str(self.home / "none"),
            "TOCSIN_URL": self.on.url,
            "TOCSIN_API_KEY": self.on.tokens[self.reader.org],
        }
        done = await asyncio.to_thread(run_command, *map(str, args), env=env)
        assert done.returncode == status, (done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done

    async def verified(self, *args: str | Path, status: int = 0) -> dict[str, Any]:
        done = await self.run("verify", *args, "--trust", self.trust, "--json", status=status)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    async def kept(self) -> Path:
        """Keep the last checkpoint in a file, as readers should."""
        note = (await self.reader.get("checkpoint")).content
        path = self.home / f"kept-{note.split(b'\n')[1].decode()}"
        path.write_bytes(note)
        return path


@pytest.fixture
async def stranger(database: Database, tmp_path: Path) -> AsyncIterator[Stranger]:
    async with product(database) as product_:
        product_.stores.orgs.put(Org("acme"))
        yield Stranger(Reader(product_, tmp_path), tmp_path)


async def test_an_export_is_checked_without_tocsin(stranger: Stranger) -> None:
    stranger.on.seal("acme", 3, 400)
    stranger.reader.sign()
    stranger.on.seal("acme", 5)
    folder = stranger.home / "exported"
    told = await stranger.run("export", folder)
    assert told.stdout.startswith("403 events, from seq 1 to 403, are in ")
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes.keys() >= {"entries.jsonl", "checkpoint", "keys"}
    assert {*modes.values()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert str(stranger.reader.key) in (folder / "keys").read_text()
    done = await stranger.run("verify", folder, "--trust", stranger.trust)
    assert "403 events hold, from seq 1 to 403" in done.stdout
    assert done.stdout.endswith("it holds\n")
    found = await stranger.verified(folder)
    assert (found["verdict"], found["last_seq"]) == ("holds", 403)
    [checkpoint] = found["checkpoints"]
    key = stranger.reader.key
    assert checkpoint["signed_by"] == [f"{key.name}+{key.id.hex()}"]
    await stranger.run("verify", folder, "--trust", str(key))  # in place of a file with it


async def test_an_export_goes_on_where_it_ended(stranger: Stranger) -> None:
    folder = stranger.home / "exported"
    await stranger.run("export", folder, status=1)  # there is no checkpoint yet
    for count in (3, 300, 20):
        stranger.on.seal("acme", count)
        stranger.reader.sign()
        before = (folder / "entries.jsonl").read_bytes()
        (folder / "entries.jsonl").write_bytes(before + b'{"seq":1')  # as a crash leaves it
        told = await stranger.run("export", folder)
        assert f" {count} of them new" in told.stdout
        assert (folder / "entries.jsonl").read_bytes().startswith(before)
        assert (await stranger.verified(folder))["verdict"] == "holds"
    again = await stranger.run("export", folder)
    assert " 0 of them new" in again.stdout
    await stranger.run("export", folder, "--from", "5", status=2)
    lines = (folder / "entries.jsonl").read_bytes()
    (folder / "entries.jsonl").write_bytes(lines.replace(b'"tool-2"', b'"tool-X"', 1))
    told = await stranger.run("export", folder, status=1)
    assert "seq 3 was edited" in told.stderr


async def test_a_part_is_exported_and_checked(stranger: Stranger) -> None:
    for count in (300, 300, 300):
        stranger.on.seal("acme", count)
        stranger.reader.sign()
    for first, last, covers in ((301, 500, 600), (1, 1, 300), (257, 900, 900), (600, 600, 600)):
        folder = stranger.home / f"from-{first}"
        await stranger.run("export", folder, "--from", str(first), "--to", str(last))
        found = await stranger.verified(folder)
        assert (found["verdict"], found["first_seq"], found["last_seq"]) == ("holds", first, covers)
    before = stranger.home / "from-301" / "before"
    size, *hashes = before.read_text().splitlines()
    before.write_text("\n".join([size, *hashes[::-1], ""]))
    assert (await stranger.verified(before.parent, status=1))["broken"][0]["kind"] == "rewritten"
    await stranger.run("export", stranger.home / "x", "--to", "901", status=1)
    await stranger.run("export", stranger.home / "y", "--from", "902", status=2)


async def test_what_is_deployed_is_checked(stranger: Stranger) -> None:
    stranger.on.key("acme")
    undecided = await stranger.run("verify", "--trust", "x+00000000+AAAA", status=2)
    assert "can't use the key" in undecided.stderr
    stranger.on.seal("acme", 300)
    stranger.reader.sign()
    kept = await stranger.kept()
    stranger.on.seal("acme", 300)
    stranger.reader.sign()
    stranger.on.seal("acme", 7)
    found = await stranger.verified("--checkpoint", kept)
    assert (found["verdict"], found["last_seq"]) == ("holds", 607)
    assert [each["size"] for each in found["checkpoints"]] == [300, 600]
    assert "7 events after that" in found["notes"][0]
    part = await stranger.verified("--from", "250", "--to", "260")
    assert (part["verdict"], part["first_seq"], part["last_seq"]) == ("holds", 250, 300)
    assert (await stranger.verified("--to", "607", status=3))["verdict"] == "undecided"
    found = await stranger.verified("--from", "310")
    assert (found["verdict"], found["first_seq"], found["last_seq"]) == ("holds", 310, 607)


async def test_a_proof_of_one_event_is_checked(stranger: Stranger) -> None:
    stranger.on.seal("acme", 30)
    stranger.reader.sign()
    path = stranger.home / "event.tlog-proof"
    path.write_bytes((await stranger.reader.get("proof?seq=7")).content)
    done = await stranger.run("verify", path, "--trust", stranger.trust)
    assert "seq 7 holds" in done.stdout
    assert (await stranger.verified(path, "--checkpoint", await stranger.kept()))[
        "verdict"
    ] == "holds"
    path.write_bytes((await stranger.reader.get("proof?seq=7&entry=false")).content)
    assert (await stranger.verified(path, status=3))["verdict"] == "undecided"
    content = (await stranger.reader.get("proof?seq=7")).content
    path.write_bytes(content.replace(b"index 6", b"index 7"))
    [fault] = (await stranger.verified(path, status=1))["broken"]
    assert fault["seq"] == 8


async def test_what_can_not_be_used_is_said_in_one_line(stranger: Stranger) -> None:
    stranger.on.seal("acme", 3)
    stranger.reader.sign()
    nothing, home = stranger.home / "nothing", stranger.home
    (home / "empty").write_bytes(b"")
    for args in [
        ("verify", home),
        ("verify", home, "--trust", home / "empty"),
        ("verify", home, "--trust", nothing),
        ("verify", home, "--trust", stranger.trust),
        ("verify", nothing, "--trust", stranger.trust),
        ("verify", home / "empty", "--trust", stranger.trust),
        ("verify", "--trust", stranger.trust, "--checkpoint", nothing),
        ("verify", home, "--trust", stranger.trust, "--to", "3"),
        ("verify", "--json"),
        ("export", home / "x", "--from", "3", "--to", "2"),
    ]:
        told = await stranger.run(*args, status=2)
        assert told.stderr.count("\n") == 1, told.stderr
        assert told.stdout == ""
