"""An export from a server that may be anybody's: what does not follow is told, and not written."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from support.audited import Told
from support.log_signers import log_signer
from tocsin.cli._exported import Exported, Writing
from tocsin.cli._exporting import Done, Exporting
from tocsin.cli._failure import Failure
from tocsin.client import ApiError, Backoff, Client
from tocsin.client._log import MAX_PAGE_BYTES, LogReader
from tocsin.services.reading.entries import MAX_ENTRIES_BYTES
from tocsin.wire.log.lines import MAX_LINE_BYTES

LOG = Told.of(40)
BACKOFF = Backoff(attempts=2, first_seconds=0.001, max_seconds=0.002)
type Page = Callable[[int, int], bytes]


def honest(first: int, last: int, told: Told = LOG) -> bytes:
    return b"".join(line + b"\n" for line in told.lines[first - 1 : last][:16])


class Server:
    """Answers with pages of its own, and with a checkpoint of a log."""

    def __init__(self, page: Page = honest, size: int = 40, told: Told = LOG) -> None:
        self.page, self.note, self.asked = page, told.note(size), list[int]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/log/checkpoint":
            return httpx.Response(200, content=self.note)
        if request.url.path == "/v1/audit/entries":
            first, last = int(request.url.params["from"]), int(request.url.params["to"])
            self.asked.append(first)
            return httpx.Response(200, content=self.page(first, last))
        return httpx.Response(404, json={"error": "not found"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "exported"


def export(folder: Path, server: Callable[[httpx.Request], httpx.Response]) -> Done:
    transport = httpx.MockTransport(server)
    with (
        Client("http://tocsin", "key", backoff=BACKOFF, transport=transport) as client,
        Writing(folder) as writing,
    ):
        return Exporting(LogReader(client), writing, lambda seq: None)(None, None)


def written(folder: Path) -> list[bytes]:
    return (folder / "entries.jsonl").read_bytes().splitlines()


def test_pages_are_written_one_after_the_other(folder: Path) -> None:
    server = Server()
    assert export(folder, server) == Done(1, 40, 40)
    assert server.asked == [1, 17, 33]
    assert written(folder) == LOG.lines
    assert Exported(folder).note() == LOG.note(40)
    assert export(folder, server) == Done(1, 40, 0)
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint", "entries.jsonl"]


LINES = LOG.lines
WRONG: dict[str, tuple[Page, int]] = {
    "from the first again and again": (lambda first, last: honest(1, last), 17),
    "in another order": (lambda first, last: b"\n".join([*LINES[4:0:-1], LINES[0], b""]), 1),
    "one is missing": (lambda first, last: b"\n".join([*LINES[:4], *LINES[5:16], b""]), 5),
    "one is edited": (lambda first, last: honest(first, last).replace(b"evt_9", b"evt_X"), 10),
    "no lines": (lambda first, last: b"[]\n" * 5, 1),
    "empty lines": (lambda first, last: b"\n" * 5, 1),
    "it ends": (lambda first, last: honest(first, last) if first < 17 else b"", 17),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_does_not_follow_is_told_and_not_written(folder: Path, wrong: str) -> None:
    page, seq = WRONG[wrong]
    done = export(folder, Server(page))
    assert done.fault is not None
    assert (done.fault.seq, done.last_seq) in {(seq, seq - 1), (1, seq - 1)}
    assert written(folder) == LINES[: seq - 1]
    assert not (folder / "checkpoint").exists()
    assert (folder / "checkpoint-40").read_bytes() == LOG.note(40)  # which is evidence


@pytest.mark.parametrize(
    "page",
    [
        lambda first, last: b"x" * (MAX_PAGE_BYTES + 1),
        lambda first, last: b"\n".join([*LINES, b'{"seq":41', b""]),
        lambda first, last: LINES[first - 1],
    ],
    ids=["never ends", "more than was asked for", "half a line"],
)
def test_what_is_no_answer_of_tocsin_s_is_not_taken(folder: Path, page: Page) -> None:
    with pytest.raises(httpx.TransportError, match="is it Tocsin's URL"):
        export(folder, Server(page))
    assert written(folder) == []


def test_half_a_line_at_the_end_is_asked_for_again(folder: Path) -> None:
    server = Server(lambda first, last: honest(first, last)[: 700 if first == 1 else None])
    assert export(folder, server).last_seq == 40
    assert written(folder) == LINES


def test_a_log_that_was_changed_since_is_told_and_the_old_evidence_stays(folder: Path) -> None:
    export(folder, Server(size=20))
    other = Told([*LOG.entries[:10], b'{"id":"else"}', *LOG.entries[11:]])
    done = export(folder, Server(lambda first, last: honest(first, last, other), told=other))
    assert done.fault is not None
    assert Exported(folder).note() == LOG.note(20)
    assert (folder / "checkpoint-40").read_bytes() == other.note(40)
    assert written(folder) == LINES[:20]


def test_a_log_that_was_set_back_is_told(folder: Path) -> None:
    export(folder, Server())
    done = export(folder, Server(size=20))
    assert done.fault is not None
    assert (done.fault.kind, done.fault.seq, done.fault.until_seq) == ("cut", 21, 40)
    assert Exported(folder).note() == LOG.note(40)


def test_what_is_there_is_checked_before_more_is_written(folder: Path) -> None:
    export(folder, Server(size=20))
    entries = folder / "entries.jsonl"
    for wrong in (
        LINES[:5] + LINES[6:20],
        [*LINES[:5], LINES[5].replace(b"evt_5", b"evt_6"), *LINES[6:20]],
        [*LINES[:5], b"x" * (3 * MAX_LINE_BYTES), *LINES[6:20]],
    ):
        content = b"".join(line + b"\n" for line in wrong)
        entries.write_bytes(content)
        server = Server()
        done = export(folder, server)
        assert done.fault is not None
        assert done.fault.seq == 6
        assert (server.asked, entries.read_bytes()) == ([], content)


def test_another_log_goes_into_another_folder(folder: Path) -> None:
    export(folder, Server())
    other = Told.of(40)
    other.signer = log_signer("tocsin/0000000000000000/beta")
    with pytest.raises(Failure, match="export to another folder"):
        export(folder, Server(told=other))


def test_a_refusal_leaves_what_was_written(folder: Path) -> None:
    def server(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/audit/entries" and request.url.params["from"] != "1":
            return httpx.Response(500, json={"error": "broken", "code": "INTEGRITY", "seq": 17})
        return honest_server(request)

    honest_server = Server()
    with pytest.raises(ApiError, match="broken"):
        export(folder, server)
    assert written(folder) == LINES[:16]
    assert export(folder, honest_server) == Done(1, 40, 24)


def test_two_do_not_write_to_one_folder(folder: Path) -> None:
    with Writing(folder), pytest.raises(Failure, match="another `tocsin export`"):
        export(folder, Server())


def test_an_answer_of_tocsin_s_fits() -> None:
    assert MAX_PAGE_BYTES >= MAX_ENTRIES_BYTES + MAX_LINE_BYTES
