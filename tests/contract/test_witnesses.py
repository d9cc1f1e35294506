"""Witnesses over HTTP: a real one, and peers that send anything."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.events import batch
from fakes.stores import FakeClock
from support.certificates import Authority
from support.databases import Database
from support.log_signers import log_signer
from support.receiver import Behaviour, Received, Receiver, Reply, receiving
from support.witness import CosigningWitness
from tocsin.adapters.key_file import KeyFile
from tocsin.adapters.witnesses import MAX_ANSWER_BYTES, HttpWitness
from tocsin.bootstrap.checkpoint import wire
from tocsin.domain.errors import Busy
from tocsin.domain.merkle import Peaks, consistency
from tocsin.domain.org import Org
from tocsin.local.addresses import LOOPBACK
from tocsin.services.sealing.seal import seal_batches
from tocsin.settings import CheckpointSettings
from tocsin.wire.log import notes
from tocsin.wire.log.checkpoints import Checkpoint
from tocsin.wire.log.faults import BadFormat
from tocsin.wire.log.growth import Growth
from tocsin.wire.log.keys import KeyType, Verifier
from tocsin.wire.log.policies import Policy
from tocsin.wire.log.witnesses import Appointed, appointed

LOG = log_signer("tocsin/0123456789abcdef/acme")
NOW_S = 1_774_000_000
LEAVES = [bytes([number]) * 32 for number in range(40)]
SOON = 0.3


def ann() -> CosigningWitness:
    return CosigningWitness("ann.example/w", {LOG.key.name: LOG.key}.get, now_s=lambda: NOW_S)


def at(url: str) -> Appointed:
    [found] = appointed(f"witness Ann {ann().key} {url}")
    return found


def asking(old: int, size: int) -> bytes:
    tree, nodes = Peaks().grown(LEAVES[:size])
    known = {(0, number): leaf for number, leaf in enumerate(LEAVES)}
    known |= {(node.height, node.number): node.hash for node in nodes}
    proof = consistency(old, size, lambda height, number: known[height, number])
    note = notes.signed(Checkpoint(LOG.key.name, size, tree.root).text, [LOG], 0)
    return Growth(old, tuple(proof), note.data).data


@contextmanager
def reached(behave: Behaviour, **more: float) -> Iterator[tuple[HttpWitness, Receiver]]:
    with receiving(behave) as receiver:
        witness = HttpWitness(at(f"http://{LOOPBACK}:{receiver.port}/witness"), **more)  # type: ignore[arg-type]
        try:
            yield witness, receiver
        finally:
            witness.close()


def test_a_witness_cosigns_what_goes_on_from_what_it_has_seen() -> None:
    it = ann()
    with reached(it.reply) as (witness, receiver):
        assert (witness.name, witness.key) == ("Ann", it.key)
        for old, size in ((0, 3), (3, 3), (3, 17), (17, 40)):
            body = asking(old, size)
            answer = witness.add(body)
            note = notes.Note.read(Growth.read(body).checkpoint)
            cosigned = note.adding(notes.read_signatures(answer.body.decode()))
            [found] = cosigned.verified([it.key])
            assert (answer.status, found.at_s) == (200, NOW_S)
        assert witness.add(asking(3, 17)) == (409, b"40\n")
        forged = asking(17, 40).replace(b"old 17\n", b"old 40\n")
        assert witness.add(forged).status == 422
        assert witness.add(b"old 40\n\nanything").status == 400
        assert receiver.connections == 1  # which is kept
        assert receiver.received[0].headers["host"] == f"{LOOPBACK}:{receiver.port}"


def test_a_connection_that_has_ended_since_is_made_again() -> None:
    it = ann()
    with reached(lambda received: Reply(it.reply(received).status, [("Connection", "close")])) as (
        witness,
        receiver,
    ):
        assert [witness.add(asking(0, 3)).status for _ in range(2)] == [200, 409]
        assert receiver.connections == 2


def test_what_it_does_is_certified_or_it_is_not_heard(tmp_path: Path) -> None:
    authority, it = Authority(tmp_path), ann()
    (other := tmp_path / "other").mkdir()
    with receiving(it.reply, tls=authority.server(LOOPBACK)) as receiver:
        place = at(f"https://{LOOPBACK}:{receiver.port}/witness/")
        trusted = HttpWitness(place, authorities=authority.certificate)
        assert trusted.add(asking(0, 3)).status == 200
        trusted.close()
        for authorities in (None, Authority(other).certificate):
            with pytest.raises(Busy, match="tls"):
                HttpWitness(place, authorities=authorities).add(asking(3, 3))
    assert len(it.asked) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(status: int) -> None:
    with receiving() as elsewhere:
        reply = Reply(status, [("Location", elsewhere.url)])
        with reached(lambda _: reply) as (witness, _):
            assert witness.add(asking(0, 3)).status == status
        assert elsewhere.received == []


def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as proxy, reached(lambda _: Reply(200, body=b"itself")) as (witness, _):
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{LOOPBACK}:{proxy.port}")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        assert witness.add(asking(0, 3)) == (200, b"itself")
        assert proxy.received == []


def test_an_answer_is_read_up_to_some_kilobytes() -> None:
    replies = iter([Reply(body=b"x" * size) for size in (MAX_ANSWER_BYTES, MAX_ANSWER_BYTES + 1)])
    with reached(lambda _: next(replies)) as (witness, _):
        assert len(witness.add(asking(0, 3)).body) == MAX_ANSWER_BYTES
        with pytest.raises(Busy):
            witness.add(asking(0, 3))


@pytest.mark.parametrize(
    "reply", [Reply(0), Reply(0, resets=True), Reply(body=b"x" * 999, endless=True)], ids=repr
)
def test_what_ends_in_the_middle_or_never_is_no_answer(reply: Reply) -> None:
    with reached(lambda _: reply) as (witness, _), pytest.raises(Busy):
        witness.add(asking(0, 3))


type Peer = Callable[[socket.socket, threading.Event], None]


def silent(peer: socket.socket, over: threading.Event) -> None:
    over.wait()


def drip(head: bytes, each: bytes) -> Peer:
    """Return a peer that sends a little, again and again, and never enough."""

    def dripping(peer: socket.socket, over: threading.Event) -> None:
        peer.sendall(head)
        while not over.wait(SOON / 30):
            peer.sendall(each)

    return dripping


def sending(data: bytes) -> Peer:
    return lambda peer, over: peer.sendall(data)


PEERS: dict[str, Peer] = {
    "silence": silent,
    "a head that drips": drip(b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "a body that drips": drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"x"),
    "chunks that drip": drip(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"
    ),
    "heads before the head": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "no HTTP": sending(b"\x00\xff\x00\xff" * 99),
    "a body that is cut": sending(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nx"),
    "a negative length": sending(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx"),
    "an endless head": sending(b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 200_000),
    "another protocol": sending(b"SSH-2.0-OpenSSH_9.9\r\n"),
}


@contextmanager
def peer(does: Peer) -> Iterator[int]:
    """Run a server that does with each connection what it likes; yields its port."""
    over = threading.Event()
    with socket.create_server((LOOPBACK, 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                accepted, _ = listening.accept()
                with accepted:
                    accepted.recv(65_536)
                    with suppress(OSError):
                        does(accepted, over)
                    accepted.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 1)
                    )

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            over.set()
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize("name", PEERS)
def test_whatever_a_peer_sends_it_has_an_end(name: str) -> None:
    with peer(PEERS[name]) as port:
        witness = HttpWitness(at(f"http://{LOOPBACK}:{port}/"), seconds=SOON)
        with pytest.raises(Busy, match="it gives no answer"):
            witness.add(asking(0, 3))
        witness.close()


def test_where_nobody_is_there_is_no_answer() -> None:
    with peer(silent) as port:
        pass
    for url in (f"http://{LOOPBACK}:{port}/", f"https://localhost:{port}/w"):
        with pytest.raises(Busy):
            HttpWitness(at(url)).add(asking(0, 3))


def test_a_name_that_leads_into_a_network_of_ours_is_not_followed() -> None:
    """What is named in public may be looked up as anything."""

    class Resolves:
        def addresses(self, name: str, seconds: float) -> list[str]:
            return [LOOPBACK, "10.0.0.1", "169.254.169.254", "::1"]

    def connects(address: object, port: int, seconds: float) -> socket.socket:
        raise AssertionError("it was connected to")

    witness = HttpWitness(at("https://witness.example/w"), resolver=Resolves(), connector=connects)
    with pytest.raises(Busy, match="blocked"):
        witness.add(asking(0, 3))


@pytest.mark.parametrize(
    "url",
    [
        *("http://witness.example/w", "http://localhost.example/", "ftp://witness.example"),
        *("https://10.0.0.1/", "https://169.254.169.254/", "https://user@witness.example/"),
        *("https://witness.example/w?key=1", "https://witness.example/#a", "witness.example"),
        *("https://", "https://witness.example:0/", "https://witness", "file:///etc/passwd"),
    ],
)
def test_where_a_witness_can_t_be_is_refused(url: str) -> None:
    with pytest.raises(BadFormat, match="can't be asked at"):
        at(url)


def test_what_a_policy_asks_for_is_cosigned_as_it_is_wired(
    database: Database, tmp_path: Path
) -> None:
    """On the tables, over HTTP: the policy by which readers trust is the setting."""
    stores, tables = database.stores()
    clock, key = FakeClock(), KeyFile(tmp_path / "key")

    def log(origin: str) -> Verifier:
        return Verifier(origin, KeyType.ED25519, key.public_key)

    it = CosigningWitness("ann.example/w", log, lambda: clock.ms // 1_000)

    def once(received: Received) -> Reply:
        return replace(it.reply(received), headers=[("Connection", "close")])

    stores.orgs.put(Org("acme"))
    with receiving(once) as receiver:
        asks = f"witness Ann {it.key} http://{LOOPBACK}:{receiver.port}/witness\nquorum Ann\n"
        settings = CheckpointSettings(
            **tables.model_dump(), signing_key=f"file:{tmp_path / 'key'}", witnesses=asks
        )
        run = wire(settings, db=database.client, clock=clock)
        for number, count in enumerate((3, 300, 7), start=1):
            clock.ms += 60_000
            seal_batches("acme", [batch("acme", count, clock.ms, number)], stores.ledger, clock)
            report = run()
            assert not (report.away or report.broken or report.failed)
            kept = stores.trees.checkpoint("acme")
            tree = stores.trees.get("acme")
            assert kept is not None
            assert tree is not None
            trusted = Policy.read(f"log {log(tree.origin)}\n{asks}".encode()).check(
                kept.note.encode()
            )
            assert trusted.checkpoint.size == tree.size
        clock.ms += 60_000
        assert run().signed == {}
        assert it.asked == [(0, 3), (3, 303), (303, 310)]
        [origin] = it.seen
        it.seen[origin] = 310, b"x" * 32  # somebody showed it another history
        seal_batches("acme", [batch("acme", 2, clock.ms, 9)], stores.ledger, clock)
        assert run().broken.keys() == {"acme"}
