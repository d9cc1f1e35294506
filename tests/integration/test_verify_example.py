"""``examples/verify.go``, which knows nothing of Tocsin: what it accepts, and what it finds."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from integration.test_list import Product, product
from integration.test_log_routes import Reader
from support.databases import Database
from support.programs import go_binary
from support.waiting import HANG_SECONDS
from tocsin.domain import chain
from tocsin.domain.org import Org

pytestmark = pytest.mark.anyio
EXAMPLE = Path(__file__).parents[2] / "examples/verify.go"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return go_binary(Path(shutil.copy(EXAMPLE, tmp_path_factory.mktemp("go"))))


@pytest.fixture
async def reader(database: Database, tmp_path: Path) -> AsyncIterator[Reader]:
    async with product(database) as on:
        on.stores.orgs.put(Org("acme"))
        yield Reader(on, tmp_path)


class Folder:
    """What a stranger was given, and what the program says of it."""

    def __init__(self, program: Path, path: Path, key: str) -> None:
        self.program, self.path, self.key = program, path, key

    @property
    def lines(self) -> list[bytes]:
        return (self.path / "entries.jsonl").read_bytes().splitlines(keepends=True)

    def write(self, lines: list[bytes]) -> None:
        (self.path / "entries.jsonl").write_bytes(b"".join(lines))

    async def says(self, status: int) -> str:
        command: list[str | Path] = [self.program, self.path, self.key]

        def run() -> subprocess.CompletedProcess[str]:
            return subprocess.run(  # noqa: S603 (our own program)
                command, capture_output=True, text=True, timeout=HANG_SECONDS, check=False
            )

        done = await asyncio.to_thread(run)
        assert (done.returncode, done.stderr) == (status, "")
        return done.stdout


async def given(on: Product, reader: Reader, program: Path, path: Path) -> Folder:
    for name, route in (
        ("entries.jsonl", "/v1/audit/entries"),
        ("checkpoint", "/v1/log/checkpoint"),
    ):
        answer = await on.client.get(route, headers=reader.headers)
        assert answer.status_code == 200
        (path / name).write_bytes(answer.content)
    return Folder(program, path, str(reader.key))


async def test_what_was_signed_holds(reader: Reader, program: Path, tmp_path: Path) -> None:
    on = reader.on
    on.seal("acme", 3, 600)
    on.seal("acme", 1, metadata={"text": "é \U0001f600 \u2028 }}"})
    reader.sign()
    on.seal("acme", 7)
    folder = await given(on, reader, program, tmp_path)
    assert await folder.says(0) == f"611 events hold, 604 of them signed as {reader.key.name}\n"
    lines = folder.lines
    leaf = chain.leaf(lines[9].partition(b',"event":')[2].removesuffix(b"}\n")).hex()
    lines[9] = lines[9].partition(b',"event":')[0] + f',"leaf":"{leaf}"}}\n'.encode()
    folder.write(lines)  # as where an event is older than the retention
    assert (await folder.says(0)).startswith("611 events hold")


async def test_what_is_not_is_named(reader: Reader, program: Path, tmp_path: Path) -> None:
    on = reader.on
    on.seal("acme", 300)
    reader.sign()
    folder = await given(on, reader, program, tmp_path)
    whole = folder.lines

    async def says_of(lines: list[bytes]) -> str:
        folder.write(lines)
        return (await folder.says(1)).removeprefix("NOT WHAT WAS SIGNED: ").strip()

    edited = [*whole]
    edited[41] = edited[41].replace(b"tool-41", b"tool-00")
    assert await says_of(edited) == "seq 42 is not the event that was sealed"
    assert await says_of(whole[:41] + whole[42:]) == "seq 42 does not follow the one before"
    assert await says_of(whole[:42] + whole[41:]) == "seq 43 does not follow the one before"
    swapped = [*whole[:10], whole[11], whole[10], *whole[12:]]
    assert await says_of(swapped) == "seq 11 does not follow the one before"
    assert await says_of(whole[:299]) == "the log ends at 299, and 300 events were signed"
    assert await says_of([*whole[:-1], whole[-1][:-1]]) == "the last line is cut off"
    assert await says_of(rewritten(edited)) == "events up to seq 300 were rewritten since"
    folder.write(whole)
    note = (folder.path / "checkpoint").read_bytes()
    (folder.path / "checkpoint").write_bytes(note.replace(b"\n300\n", b"\n299\n"))
    assert "the signature is another's" in await folder.says(1)
    (folder.path / "checkpoint").write_bytes(note)
    name, id, public = folder.key.split("+", 2)
    folder.key = f"{name}+{id}+{public[:9]}{'A' if public[9] != 'A' else 'B'}{public[10:]}"
    assert "the key is cut or changed" in await folder.says(1)


def rewritten(lines: list[bytes]) -> list[bytes]:
    """Compute the chain anew over what stands there."""
    link, made = chain.genesis("acme"), []
    for seq, line in enumerate(lines, 1):
        entry = line.partition(b',"event":')[2].removesuffix(b"}\n")
        [after] = chain.extend(link, [chain.leaf(entry)])
        head = json.dumps({"seq": seq, "prev_hash": link.hex(), "hash": after.hex()})
        made.append(head.replace(" ", "").encode()[:-1] + b',"event":' + entry + b"}\n")
        link = after
    return made
