"""The sender against real receivers on loopback that do all that a receiver can do to it."""

import errno
import gzip
import itertools
import logging
import socket
import ssl
import threading
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.certificates import Authority
from support.conversing import Peer, conversing, read_request, reset
from support.receiver import Received, Reply, receiving
from support.waiting import HANG_SECONDS, until
from tocsin.adapters.http import HttpSender, Patience, Resolver
from tocsin.adapters.http.dialing import connect
from tocsin.adapters.http.failures import Nonexistent, Unresolved
from tocsin.domain.addresses import Address
from tocsin.domain.deliveries import Answer, Outcome, Outgoing, outcome_of

NOW_MS = 1_774_000_000_000
PATIENT = Patience(HANG_SECONDS, HANG_SECONDS, HANG_SECONDS)
SHORT = 0.3  # seconds, where somebody's patience is to run out
PUBLIC = "93.184.215.14"
OTHER_PUBLIC = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Now:
    def now_ms(self) -> int:
        return NOW_MS


class Names:
    """A resolver: each look-up of a name gets the next of its answers, and the last one again."""

    def __init__(self, answers: Mapping[str, Sequence[Sequence[str]]]) -> None:
        self._answers = {name: list(each) for name, each in answers.items()}
        self.asked: list[str] = []

    def addresses(self, name: str, seconds: float) -> Sequence[str]:
        self.asked.append(name)
        answers = self._answers[name]
        return answers.pop(0) if len(answers) > 1 else answers[0]


class Routes:
    """Connects public addresses to ports of loopback; all others as they are, for real."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        self.ports = ports
        self.connected: list[str] = []

    def __call__(self, address: Address, port: int, seconds: float) -> socket.socket:
        self.connected.append(str(address))
        if str(address) not in self.ports:
            return connect(address, port, seconds)
        opened = socket.create_connection(("127.0.0.1", self.ports[str(address)]), seconds)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened


class Trap:
    """Listens on loopback; nobody may connect to it."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0)
        self.port: int = self._listener.getsockname()[1]

    @property
    def untouched(self) -> bool:
        try:
            self._listener.accept()[0].close()
        except BlockingIOError:
            return True
        return False

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def trap() -> Iterator[Trap]:
    trap = Trap()
    yield trap
    trap.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def sender() -> Iterator[HttpSender]:
    sender = HttpSender(loopback=True, clock=Now(), patience=PATIENT)
    yield sender
    sender.close()


@pytest.fixture
def hurried() -> Iterator[HttpSender]:
    sender = HttpSender(loopback=True, clock=Now(), patience=replace(PATIENT, request=SHORT))
    yield sender
    sender.close()


def outgoing(url: str | int, body: bytes = b'{"seq":1}', **headers: str) -> Outgoing:
    url = f"http://127.0.0.1:{url}/hook" if isinstance(url, int) else url
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Outgoing(url, (("content-type", "application/json"), *named), body)


def saying(
    *parts: bytes, then: Callable[[socket.socket], object] = lambda connected: None
) -> Callable[[socket.socket, int], object]:
    """Answer a request with these bytes, and go on as ``then`` does."""

    def converse(connected: socket.socket, number: int) -> None:
        read_request(connected)
        for part in parts:
            connected.sendall(part)
        then(connected)

    return converse


def stay(connected: socket.socket) -> None:
    """Say nothing more, and read until the other end closes."""
    while connected.recv(65_536):
        pass


def endlessly(data: bytes) -> Callable[[socket.socket], None]:
    def go_on(connected: socket.socket) -> None:
        while True:
            connected.sendall(data)

    return go_on


def dripping(data: bytes, ended: Callable[[], threading.Event]) -> Callable[[socket.socket], None]:
    """Send a byte now and then, for as long as somebody listens."""

    def go_on(connected: socket.socket) -> None:
        for each in itertools.cycle(data):
            connected.sendall(bytes([each]))
            if ended().wait(0.01):
                return

    return go_on


# What is sent, and what is made of the answer


def test_the_request_is_sent_as_it_is_and_the_answer_told(sender: HttpSender) -> None:
    with receiving(lambda received: Reply(202, body=b"got it")) as receiver:
        answer = sender.send(
            outgoing(
                f"{receiver.url}/a%20b?c=d", b'{"x":1}', webhook_id="evt_1", X_Text="caf\u00e9"
            )
        )
    assert (answer.status, answer.error, answer.excerpt) == (202, "", "got it")
    assert outcome_of(answer) is Outcome.DELIVERED
    [received] = receiver.received
    assert (received.method, received.path) == ("POST", "/hook/a%20b?c=d")
    assert received.body == b'{"x":1}'
    assert received.headers["webhook-id"] == "evt_1"
    assert received.headers["x-text"].encode("latin-1").decode() == "caf\u00e9"
    assert received.headers["content-length"] == "7"
    assert received.headers["host"] == receiver.url.split("/")[2]
    assert received.headers["accept-encoding"] == "identity"
    assert received.headers["user-agent"].startswith("tocsin/")


def test_what_a_format_says_of_itself_stands_and_framing_is_the_senders(sender: HttpSender) -> None:
    with receiving() as receiver:
        sender.send(
            outgoing(
                receiver.url,
                b"12",
                User_Agent="KavachOS",
                Content_Length="999",
                Transfer_Encoding="chunked",
                Host="evil.example",
            )
        )
    [received] = receiver.received
    assert received.headers["user-agent"] == "KavachOS"
    assert received.headers["host"] == receiver.url.split("/")[2]
    assert received.body == b"12"


@pytest.mark.parametrize("value", ["a\r\nx-other: b", "a\nb", "a\x00b"])
def test_a_header_that_would_be_two_is_not_sent(sender: HttpSender, value: str) -> None:
    with receiving() as receiver:
        assert sender.send(outgoing(receiver.url, x_header=value)).error == "protocol"
    assert receiver.received == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(sender: HttpSender, status: int, trap: Trap) -> None:
    with receiving() as receiver:
        receiver.behave = lambda received: Reply(
            status, [("Location", f"http://127.0.0.1:{trap.port}/")]
        )
        answer = sender.send(outgoing(receiver.url))
    assert (answer.status, outcome_of(answer)) == (status, Outcome.FAILED)
    assert len(receiver.received) == 1
    assert trap.untouched


@pytest.mark.parametrize(
    ("value", "asked_ms"),
    [
        ("0", 0),
        ("120", 120_000),
        (format_datetime(datetime.fromtimestamp(NOW_MS / 1_000 + 90, UTC), usegmt=True), 90_000),
        (format_datetime(datetime.fromtimestamp(NOW_MS / 1_000 - 90, UTC), usegmt=True), 0),
        ("-5", 0),
        ("soon", 0),
        ("9" * 60_000, 0),
    ],
)
@pytest.mark.parametrize("status", [410, 429, 503])
def test_retry_after_is_told(sender: HttpSender, status: int, value: str, asked_ms: int) -> None:
    with receiving(lambda received: Reply(status, [("Retry-After", value)], b"later")) as receiver:
        answer = sender.send(outgoing(receiver.url))
    assert (answer.status, answer.retry_after_ms, answer.excerpt) == (status, asked_ms, "later")


def test_the_excerpt_has_nothing_that_was_sent(sender: HttpSender) -> None:
    def echo(received: Received) -> Reply:
        told = received.headers["authorization"].encode()
        return Reply(400, body=b"bad: " + told + b" " + received.path.encode() + received.body)

    with receiving(echo) as receiver:
        url = f"{receiver.url}/T024BE7LD/kGbXyZ0123?code=q7"
        answer = sender.send(
            outgoing(url, b'{"prompt":"what the customer said"}', authorization="Splunk 0f4e-11")
        )
    for sent in ("0f4e", "T024BE7LD", "kGbXyZ0123", "customer"):
        assert sent not in answer.excerpt
    assert answer.excerpt.startswith("bad: […]")


def test_an_encoded_body_is_not_decoded(sender: HttpSender) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    reply = Reply(200, [("Content-Encoding", "gzip")], bomb)
    with receiving(lambda received: reply) as receiver:
        peak, answer = peak_of(lambda: sender.send(outgoing(receiver.url)))
    assert (answer.status, answer.excerpt) == (200, "")
    assert peak < 5_000_000


def peak_of(do: Callable[[], Answer]) -> tuple[int, Answer]:
    """Return how many bytes were allocated at once at most, and the answer."""
    tracemalloc.start()
    try:
        answer = do()
        return tracemalloc.get_traced_memory()[1], answer
    finally:
        tracemalloc.stop()


# Peers that speak no proper HTTP, or stop doing so

BAD = {
    "nothing": (b"", "reset"),
    "a word": (b"hello\r\n\r\n", "protocol"),
    "half a line": (b"HTTP/1.1 2", "reset"),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-Le", "reset"),
    "no status": (b"HTTP/1.1 abc OK\r\n\r\n", "protocol"),
    "status 000": (b"HTTP/1.1 000 \r\n\r\n", "protocol"),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "protocol"),
    "two lengths": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "protocol",
    ),
    "a long length": (
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n",
        "protocol",
    ),
    "a negative length": (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "protocol"),
    "a line too long": (b"HTTP/1.1 200 " + b"a" * 300_000, "protocol"),
    "NULs": (bytes(1_000), "protocol"),
}


@pytest.mark.parametrize(("said", "word"), BAD.values(), ids=BAD)
def test_what_is_no_answer_is_a_failure(sender: HttpSender, said: bytes, word: str) -> None:
    with conversing(saying(said)) as peer:
        answer = sender.send(outgoing(peer.port))
    assert (answer.status, answer.error) == (0, word)
    assert outcome_of(answer) is Outcome.FAILED


CUT = {
    "in its body": OK[:-1],
    "before its body": OK[:-2],
    "in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    "in a bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab",
}


@pytest.mark.parametrize("said", CUT.values(), ids=CUT)
@pytest.mark.parametrize("end", [lambda connected: None, reset])
def test_the_status_stands_whatever_becomes_of_the_body(
    sender: HttpSender, said: bytes, end: Callable[[socket.socket], object]
) -> None:
    with conversing(saying(said, then=end)) as peer:
        answer = sender.send(outgoing(peer.port))
        assert answer.status == 200 or answer.error == "reset"  # an RST may drop what came before
        if end is not reset:
            assert answer.status == 200
        sender.send(outgoing(peer.port))
        assert peer.connections == 2


def test_a_reset_is_a_failure(sender: HttpSender) -> None:
    with conversing(saying(then=reset)) as peer:
        assert sender.send(outgoing(peer.port)).error == "reset"
        assert peer.connections == 1  # it was not sent again


def test_a_port_where_nobody_listens_is_a_failure(sender: HttpSender) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert sender.send(outgoing(port)).error == "refused"


def test_http_1_0_is_understood_and_its_connection_not_kept(sender: HttpSender) -> None:
    with conversing(saying(b"HTTP/1.0 200 OK\r\n\r\nold")) as peer:
        for _ in range(2):
            answer = sender.send(outgoing(peer.port))
            assert (answer.status, answer.excerpt) == (200, "old")
        assert peer.connections == 2


def test_what_comes_before_an_answer_is_passed_over(sender: HttpSender) -> None:
    before = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n"
    with conversing(saying(before * 3, OK)) as peer:
        assert sender.send(outgoing(peer.port)).status == 200


def test_a_change_of_protocols_is_a_failure(sender: HttpSender) -> None:
    said = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nxxx"
    with conversing(saying(said, then=stay)) as peer:
        answer = sender.send(outgoing(peer.port))
    assert outcome_of(answer) is Outcome.FAILED


# Peers that never come to an end

ENDLESS = {
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X-Header: value\r\n" * 100, 0),
    "a header": (b"HTTP/1.1 200 OK\r\nX-Header: ", b"value" * 1_000, 0),
    "a folded header": (b"HTTP/1.1 200 OK\r\nX-Header: a\r\n", b" b\r\n" * 1_000, 0),
    "1xx": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100, 0),
    "a body": (b"HTTP/1.1 500 Oh\r\nContent-Length: 999999999999\r\n\r\n", b"a" * 65_536, 500),
    "a body until the end": (b"HTTP/1.1 500 Oh\r\nConnection: close\r\n\r\n", b"a" * 65_536, 500),
    "chunks": (
        b"HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1\r\na\r\n" * 9_000,
        500,
    ),
    "a chunk's extension": (
        b"HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n1;a=",
        b"b" * 65_536,
        500,
    ),
    "trailers": (
        b"HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        b"X-Trailer: value\r\n" * 1_000,
        500,
    ),
}


@pytest.mark.parametrize(("begin", "data", "status"), ENDLESS.values(), ids=ENDLESS)
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_what_never_ends_is_ended_and_takes_little_memory(
    begin: bytes, data: bytes, status: int, secure: bool, authority: Authority
) -> None:
    sender = HttpSender(loopback=True, patience=PATIENT, authorities=authority.certificate)
    tls = authority.server("127.0.0.1") if secure else None
    with conversing(saying(begin, then=endlessly(data)), tls=tls) as peer:
        url = f"{'https' if secure else 'http'}://127.0.0.1:{peer.port}/"
        sender.send(outgoing(url))  # so that what is loaded once is not counted
        peak, answer = peak_of(lambda: sender.send(outgoing(url)))
        assert answer.status == status
        assert answer.error == ("" if status else "protocol")
        assert peak < 3_000_000
        sender.close()


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200"], ids=["before the head", "in the head"])
def test_a_peer_that_hangs_is_left_in_time(hurried: HttpSender, begin: bytes) -> None:
    with conversing(saying(begin, then=stay)) as peer:
        assert hurried.send(outgoing(peer.port)).error == "timeout"


@pytest.mark.parametrize("begin", [OK[:-2], OK[:-1]], ids=["before the body", "in the body"])
def test_a_body_that_does_not_come_is_not_waited_for(begin: bytes) -> None:
    sender = HttpSender(loopback=True, patience=replace(PATIENT, body=SHORT))
    with conversing(saying(begin, then=stay)) as peer:
        assert sender.send(outgoing(peer.port)).status == 200


@pytest.mark.parametrize(
    ("begin", "drops"),
    [(b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"), (b"", b"HTTP/1.1 100 Continue\r\n\r\n")],
    ids=["head", "1xx"],
)
def test_drops_win_a_peer_no_time(hurried: HttpSender, begin: bytes, drops: bytes) -> None:
    # It would drip for longer than any test may take.
    with conversing(saying(begin, then=dripping(drops, lambda: peer.ended))) as peer:
        assert hurried.send(outgoing(peer.port)).error == "timeout"


def test_nor_do_drops_of_a_body() -> None:
    sender = HttpSender(loopback=True, patience=replace(PATIENT, body=SHORT))
    begin = b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"
    with conversing(saying(begin, then=dripping(b"a", lambda: peer.ended))) as peer:
        assert sender.send(outgoing(peer.port)).status == 200


def test_a_peer_that_reads_nothing_is_left_in_time(hurried: HttpSender) -> None:
    with conversing(lambda connected, number: peer.ended.wait()) as peer:
        answer = hurried.send(outgoing(peer.port, bytes(50_000_000)))
        assert answer.error == "timeout"


@pytest.mark.parametrize("drops", [b"", b"\x16\x03\x03\x40\x00" + bytes(100)])
def test_a_handshake_that_never_ends_is_left_in_time(hurried: HttpSender, drops: bytes) -> None:
    def converse(connected: socket.socket, number: int) -> None:
        if drops:
            dripping(drops, lambda: peer.ended)(connected)
        stay(connected)

    with conversing(converse) as peer:
        answer = hurried.send(outgoing(f"https://127.0.0.1:{peer.port}/"))
        assert answer.error == "timeout"


def test_a_handshake_of_any_length_is_ended(sender: HttpSender) -> None:
    record = b"\x16\x03\x03\x40\x00\x0b\xff\xff\xff" + bytes(16_380)
    with conversing(lambda connected, number: endlessly(record)(connected)) as peer:
        assert sender.send(outgoing(f"https://127.0.0.1:{peer.port}/")).error == "tls"


def test_an_early_answer_to_a_long_request_is_heard(sender: HttpSender) -> None:
    def converse(connected: socket.socket, number: int) -> None:
        connected.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        stay(connected)

    with conversing(converse) as peer:
        assert sender.send(outgoing(peer.port, bytes(20_000_000))).status == 413


# Who the receiver is


def trusting(authority: Authority, **parts: Any) -> HttpSender:
    return HttpSender(patience=PATIENT, authorities=authority.certificate, **parts)


def test_the_name_is_asked_for_and_certified_whatever_the_address(authority: Authority) -> None:
    asked: list[str | None] = []
    tls = authority.server("hooks.example.com")
    tls.sni_callback = lambda _socket, name, _context: asked.append(name)
    with receiving(tls=tls) as receiver:
        routes = Routes({PUBLIC: receiver.port})
        sender = trusting(
            authority, resolver=Names({"hooks.example.com": [[PUBLIC]]}), connector=routes
        )
        answer = sender.send(outgoing("https://hooks.example.com/a"))
        sender.close()
    assert answer.status == 200
    assert asked == ["hooks.example.com"]
    assert [each.headers["host"] for each in receiver.received] == ["hooks.example.com"]


def test_an_address_is_certified_as_such(authority: Authority) -> None:
    with receiving(tls=authority.server("127.0.0.1")) as receiver:
        sender = trusting(authority, loopback=True)
        assert sender.send(outgoing(receiver.url)).status == 200
        sender.close()


def test_an_address_of_ipv6_is_asked_for_in_brackets(authority: Authority) -> None:
    with receiving(tls=authority.server(OTHER_PUBLIC)) as receiver:
        sender = trusting(authority, connector=Routes({OTHER_PUBLIC: receiver.port}))
        for _ in range(2):
            assert sender.send(outgoing(f"https://[{OTHER_PUBLIC}]:8443/a")).status == 200
        sender.close()
    hosts = {(each.headers["host"], each.connection) for each in receiver.received}
    assert hosts == {(f"[{OTHER_PUBLIC}]:8443", 1)}


@pytest.mark.parametrize("fault", ["name", "expired", "authority", "version", "plain"])
def test_a_receiver_that_does_not_prove_its_name_is_sent_nothing(
    authority: Authority, fault: str, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path) if fault == "authority" else authority
    name = "evil.example" if fault == "name" else "hooks.example.com"
    tls = stranger.server(name, expired=fault == "expired")
    if fault == "version":
        with pytest.deprecated_call():
            tls.maximum_version = ssl.TLSVersion.TLSv1_1
    with receiving(tls=None if fault == "plain" else tls) as receiver:
        names = Names({"hooks.example.com": [[PUBLIC]]})
        sender = trusting(authority, resolver=names, connector=Routes({PUBLIC: receiver.port}))
        answer = sender.send(outgoing("https://hooks.example.com/a"))
    assert (answer.status, answer.error) == (0, "tls")
    assert outcome_of(answer) is Outcome.FAILED
    assert receiver.received == []


def test_certificates_are_those_of_public_authorities_unless_told(authority: Authority) -> None:
    with receiving(tls=authority.server("127.0.0.1")) as receiver:
        sender = HttpSender(loopback=True, patience=PATIENT)
        assert sender.send(outgoing(receiver.url)).error == "tls"


# Where a request may go


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["::1"],
        ["10.0.0.1", "169.254.169.254", "fd00:ec2::254"],
        ["::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"],
        ["0.0.0.0", "localhost", "127.1", "fe80::1%1"],  # noqa: S104
    ],
)
def test_a_name_of_refused_addresses_is_blocked(addresses: Sequence[str], trap: Trap) -> None:
    routes = Routes({})
    sender = HttpSender(
        patience=PATIENT, resolver=Names({"a.example.com": [addresses]}), connector=routes
    )
    answer = sender.send(outgoing(f"https://a.example.com:{trap.port}/"))
    assert (answer.status, answer.error) == (0, "blocked")
    assert outcome_of(answer) is Outcome.FAILED
    assert routes.connected == []
    assert trap.untouched


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:{}/",
        "http://a.example.com:{}/",
        "https://[::1]:{}/",
        "https://2130706433:{}/",
        "https://a.example.com@127.0.0.1:{}/",
        "https://localhost:{}/",
        "mailto:a@example.com",
        "s3://bucket/prefix",
    ],
)
def test_a_url_that_no_endpoint_may_have_is_blocked(url: str, trap: Trap) -> None:
    sender = HttpSender(patience=PATIENT, resolver=Names({"a.example.com": [["127.0.0.1"]]}))
    assert sender.send(outgoing(url.format(trap.port))).error == "blocked"
    assert trap.untouched


@pytest.mark.parametrize("denied", ["93.184.0.0/16", "0.0.0.0/0"])
def test_a_network_that_is_denied_is_blocked(denied: str) -> None:
    routes = Routes({})
    sender = HttpSender(
        denied_networks=[ip_network(denied)],
        patience=PATIENT,
        resolver=Names({"a.example.com": [[PUBLIC]]}),
        connector=routes,
    )
    assert sender.send(outgoing("https://a.example.com/")).error == "blocked"
    assert sender.send(outgoing(f"https://{PUBLIC}/")).error == "blocked"
    assert routes.connected == []


def test_the_address_that_was_looked_at_is_the_one_connected_to(
    authority: Authority, trap: Trap
) -> None:
    """Rebinding: the name leads elsewhere as soon as it was looked up once."""
    with receiving(tls=authority.server("a.example.com")) as receiver:
        receiver.behave = lambda received: Reply(headers=[("Connection", "close")])
        names = Names({"a.example.com": [[PUBLIC], ["127.0.0.1"], [PUBLIC], ["127.0.0.1"]]})
        routes = Routes({PUBLIC: receiver.port})
        sender = trusting(authority, resolver=names, connector=routes)
        url = f"https://a.example.com:{trap.port}/"
        answers = [sender.send(outgoing(url)) for _ in range(5)]
    assert [each.status or each.error for each in answers] == [
        *(200, "blocked", 200, "blocked", "blocked")
    ]
    assert len(names.asked) == len(answers)  # once for each: what was looked at is what is used
    assert routes.connected == [PUBLIC, PUBLIC]
    assert trap.untouched


def test_of_several_addresses_only_those_that_may_are_tried_in_their_order(
    authority: Authority, trap: Trap
) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as shut,
        receiving(tls=authority.server("a.example.com")) as receiver,
    ):
        unheard = shut.getsockname()[1]
        shut.close()
        routes = Routes({OTHER_PUBLIC: unheard, PUBLIC: receiver.port})
        found = ["127.0.0.1", OTHER_PUBLIC, "::1", "10.0.0.1", PUBLIC, "127.0.0.1"]
        sender = trusting(authority, resolver=Names({"a.example.com": [found]}), connector=routes)
        answer = sender.send(outgoing(f"https://a.example.com:{trap.port}/"))
        sender.close()
    assert answer.status == 200
    assert routes.connected == [OTHER_PUBLIC, PUBLIC]
    assert trap.untouched


def test_a_receiver_that_fails_at_one_address_is_not_sent_it_at_another(
    authority: Authority,
) -> None:
    stranger = authority.server("evil.example")
    with receiving(tls=stranger) as receiver:
        routes = Routes({PUBLIC: receiver.port, OTHER_PUBLIC: receiver.port})
        names = Names({"a.example.com": [[PUBLIC, OTHER_PUBLIC]]})
        sender = trusting(authority, resolver=names, connector=routes)
        assert sender.send(outgoing("https://a.example.com/")).error == "tls"
    assert routes.connected == [PUBLIC]


def test_a_name_of_many_addresses_costs_a_few_connections() -> None:
    with socket.create_server(("127.0.0.1", 0)) as shut:
        port = shut.getsockname()[1]
    fours, sixes = [f"8.8.8.{n}" for n in range(100)], [f"2a05::{n:x}" for n in range(1, 100)]
    routes = Routes(dict.fromkeys([*fours, *sixes], port))
    names = Names({"a.example.com": [[*sixes, *fours]]})
    sender = HttpSender(patience=PATIENT, resolver=names, connector=routes)
    assert sender.send(outgoing("https://a.example.com/")).error == "refused"
    assert routes.connected == [*sixes[:4], *fours[:4]]


@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENOMEM, errno.EADDRNOTAVAIL])
def test_that_this_process_is_out_of_means_is_no_failure_of_the_receiver(error: int) -> None:
    def no_socket(address: Address, port: int, seconds: float) -> socket.socket:
        raise OSError(error, "no more")

    names = Names({"a.example.com": [[PUBLIC]]})
    sender = HttpSender(patience=PATIENT, resolver=names, connector=no_socket)
    assert outcome_of(sender.send(outgoing("https://a.example.com/"))) is Outcome.UNTRIED


def test_proxies_of_the_environment_are_not_used(
    sender: HttpSender, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{trap.port}")
        monkeypatch.setenv(name.lower(), f"http://127.0.0.1:{trap.port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with receiving() as receiver:
        assert sender.send(outgoing(receiver.url)).status == 200
    assert trap.untouched


# Names


class Failing:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def addresses(self, name: str, seconds: float) -> Sequence[str]:
        raise self.error


def test_a_resolver_that_fails_is_no_failure_of_the_receiver() -> None:
    answer = HttpSender(resolver=Failing(Unresolved())).send(outgoing("https://a.example.com/"))
    assert (answer.error, outcome_of(answer)) == ("unresolved", Outcome.UNTRIED)


@pytest.mark.parametrize("resolver", [Failing(Nonexistent()), Names({"a.example.com": [[]]})])
def test_a_name_that_does_not_exist_is_one(resolver: Resolver) -> None:
    answer = HttpSender(resolver=resolver).send(outgoing("https://a.example.com/"))
    assert (answer.error, outcome_of(answer)) == ("nonexistent", Outcome.FAILED)


# Connections that are kept


class Either:
    """A sender, and what its peers need to speak with it: nothing, or TLS."""

    def __init__(self, authority: Authority, secure: bool) -> None:
        self.tls = authority.server("127.0.0.1") if secure else None
        self.sender = HttpSender(loopback=True, patience=PATIENT, authorities=authority.certificate)

    def conversing(
        self, converse: Callable[[socket.socket, int], object]
    ) -> AbstractContextManager[Peer]:
        return conversing(converse, tls=self.tls)

    def send(self, port: int, body: bytes) -> Answer:
        scheme = "https" if self.tls else "http"
        return self.sender.send(outgoing(f"{scheme}://127.0.0.1:{port}/", body))


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def either(request: pytest.FixtureRequest, authority: Authority) -> Iterator[Either]:
    either = Either(authority, request.param)
    yield either
    either.sender.close()


def until_stale(sender: HttpSender) -> None:
    """Wait until what a peer sent or closed has come to this end too."""
    idle = sender._kept._idle
    until(lambda: not any(each.usable for each in idle), "no idle connection can be used")


def bid_farewell(connected: socket.socket) -> None:
    """Close a connection in good order; with TLS it is said within it."""
    if isinstance(connected, ssl.SSLSocket):
        connected.unwrap()


def test_a_connection_is_used_again(sender: HttpSender) -> None:
    with receiving(lambda received: Reply(body=b"x" * 10_000)) as receiver:
        for _ in range(5):
            assert sender.send(outgoing(receiver.url)).status == 200
    assert [each.connection for each in receiver.received] == [1] * 5


def test_one_to_another_origin_is_not(sender: HttpSender) -> None:
    with receiving() as one, receiving() as other:
        for receiver in (one, other, one, other):
            sender.send(outgoing(receiver.url))
        localhost = HttpSender(loopback=True, patience=PATIENT)
        for host in ("127.0.0.1", "localhost", "LOCALHOST"):
            localhost.send(outgoing(one.url.replace("127.0.0.1", host)))
        localhost.close()
    assert [each.connection for each in one.received] == [1, 1, 2, 3, 3]
    assert [each.connection for each in other.received] == [1, 1]


@pytest.mark.parametrize(
    "reply",
    [Reply(headers=[("Connection", "close")]), Reply(500, body=b"x" * 1_000_000)],
    ids=["closed", "a long body"],
)
def test_one_that_can_t_be_kept_is_closed(sender: HttpSender, reply: Reply) -> None:
    with receiving(lambda received: reply) as receiver:
        for _ in range(2):
            assert sender.send(outgoing(receiver.url)).status == reply.status
    assert [each.connection for each in receiver.received] == [1, 2]


def test_one_that_was_idle_for_long_is_closed() -> None:
    sender = HttpSender(loopback=True, patience=replace(PATIENT, idle=0))
    with receiving() as receiver:
        for _ in range(2):
            assert sender.send(outgoing(receiver.url)).status == 200
    assert [each.connection for each in receiver.received] == [1, 2]


def test_one_on_which_something_came_unasked_is_closed(sender: HttpSender) -> None:
    idle, said = threading.Event(), threading.Event()

    def converse(connected: socket.socket, number: int) -> None:
        read_request(connected)
        connected.sendall(OK)
        if number == 1:
            idle.wait()
            connected.sendall(OK.replace(b"ok", b"no"))
            said.set()
            stay(connected)

    with conversing(converse) as peer:
        assert sender.send(outgoing(peer.port)).excerpt == "ok"
        idle.set()
        said.wait()
        until_stale(sender)
        assert sender.send(outgoing(peer.port)).excerpt == "ok"
        assert peer.connections == 2


def test_one_that_was_closed_meanwhile_is_not_used(sender: HttpSender) -> None:
    closed = threading.Event()

    def converse(connected: socket.socket, number: int) -> None:
        read_request(connected)
        connected.sendall(OK)
        connected.shutdown(socket.SHUT_RDWR)
        closed.set()

    with conversing(converse) as peer:
        for count in (1, 2, 3):
            assert sender.send(outgoing(peer.port)).status == 200
            assert peer.connections == count
            closed.wait()
            closed.clear()


@pytest.mark.parametrize("end", [bid_farewell, reset], ids=["closed", "reset"])
def test_what_a_kept_connection_did_not_answer_is_sent_again_at_once(
    either: Either, end: Callable[[socket.socket], object]
) -> None:
    bodies: list[bytes] = []

    def converse(connected: socket.socket, number: int) -> None:
        while request := read_request(connected):
            bodies.append(request[-2:])
            if len(bodies) == 2:
                end(connected)
                return
            connected.sendall(OK)

    with either.conversing(converse) as peer:
        for body in (b"#1", b"#2", b"#3"):
            assert either.send(peer.port, body).status == 200
        assert bodies == [b"#1", b"#2", b"#2", b"#3"]
        assert peer.connections == 2


def test_it_is_sent_again_once_only_and_not_after_a_part_of_an_answer(either: Either) -> None:
    bodies: list[bytes] = []

    def converse(connected: socket.socket, number: int) -> None:
        while request := read_request(connected):
            bodies.append(request[-2:])
            match request[-2:]:
                case b"#2":
                    break
                case b"#4":
                    connected.sendall(OK[:10])
                    break
            connected.sendall(OK)
        bid_farewell(connected)

    with either.conversing(converse) as peer:
        answers = [either.send(peer.port, body) for body in (b"#1", b"#2", b"#3", b"#4")]
        assert [each.status or each.error for each in answers] == [200, "reset", 200, "reset"]
        assert bodies == [b"#1", b"#2", b"#2", b"#3", b"#4"]


UNASKED = OK.replace(b"ok", b"no")


def test_an_answer_to_nothing_is_not_taken_for_one_to_the_next_request(either: Either) -> None:
    def converse(connected: socket.socket, number: int) -> None:
        while request := read_request(connected):
            connected.sendall(OK if request.endswith(b"#2") else OK + UNASKED)

    with either.conversing(converse) as peer:
        assert either.send(peer.port, b"#1").excerpt == "ok"
        assert either.send(peer.port, b"#2").excerpt == "ok"
        assert peer.connections == 2


def test_nor_is_one_that_waits_within_tls(authority: Authority) -> None:
    def converse(connected: socket.socket, number: int) -> None:
        while request := read_request(connected):
            connected.sendall(OK)  # a record of its own
            if request.endswith(b"#1"):
                connected.sendall(UNASKED)

    either = Either(authority, secure=True)
    with either.conversing(converse) as peer:
        assert either.send(peer.port, b"#1").excerpt == "ok"
        until_stale(either.sender)
        assert either.send(peer.port, b"#2").excerpt == "ok"
        assert peer.connections == 2
        either.sender.close()


def test_connections_are_kept_with_tls_as_without(either: Either) -> None:
    with receiving(tls=either.tls) as receiver:
        for _ in range(5):
            assert either.send(receiver.port, b"{}").status == 200
    assert [each.connection for each in receiver.received] == [1] * 5


def test_no_more_than_some_are_kept(sender: HttpSender) -> None:
    with ExitStack() as receivers:
        several = [receivers.enter_context(receiving()) for _ in range(70)]
        for receiver in several:
            assert sender.send(outgoing(receiver.url)).status == 200
        for receiver in reversed(several):
            assert sender.send(outgoing(receiver.url)).status == 200
        again = [receiver.received[-1].connection == 1 for receiver in several]
        assert again == [False] * 6 + [True] * 64
        sender.close()


# Threads


def test_threads_send_at_once_and_one_that_hangs_holds_up_none(sender: HttpSender) -> None:
    def echo(received: Received) -> Reply:
        return receiver.hang() if received.body == b"hang" else Reply(body=received.body)

    with receiving(echo) as receiver, ThreadPoolExecutor(16) as threads:
        stuck = threads.submit(sender.send, outgoing(receiver.url, b"hang"))
        receiver.wait(1)
        bodies = [f"n {n}".encode() for n in range(400)]
        sent = [outgoing(receiver.url, body) for body in bodies]
        answers = list(threads.map(sender.send, sent))
        assert [each.excerpt.encode() for each in answers] == bodies
        assert not stuck.done()
        assert receiver.connections <= 16
        receiver.end_hanging()
        assert stuck.result().error == "reset"


# Whatever comes

PIECES = st.sampled_from(
    [
        *(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 503 \r\n", b"HTTP/1.1 100\r\n", b"\r\n", b"\n", b" "),
        *(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n"),
        *(
            b"Retry-After: ",
            b"5\r\nabcde\r\n",
            b"0\r\n\r\n",
            b"\x00",
            b"\xff\xfe",
            b"a: b\r\n",
            b": x\r\n",
        ),
        *(b"Content-Encoding: ", b"Fri, 31 Dec 9999 23:59:59 GMT\r\n", b"9999999999\r\n", b"HTTP/"),
    ]
)


class Scripted:
    """Connects to a peer that has said all that it will."""

    def __init__(self) -> None:
        self.said = b""
        self._theirs: list[socket.socket] = []

    def __call__(self, address: Address, port: int, seconds: float) -> socket.socket:
        ours, theirs = socket.socketpair()
        theirs.sendall(self.said)
        theirs.shutdown(socket.SHUT_WR)
        self._theirs.append(theirs)
        return ours

    def close(self) -> None:
        for each in self._theirs:
            each.close()
        self._theirs.clear()


SCRIPTED = Scripted()
READER = HttpSender(loopback=True, clock=Now(), patience=PATIENT, connector=SCRIPTED)


@given(said=st.lists(st.one_of(PIECES, st.binary(max_size=20)), max_size=12).map(b"".join))
def test_whatever_comes_is_an_answer(said: bytes) -> None:
    SCRIPTED.said = said
    with unread_answers() as unread:
        answer = READER.send(outgoing("http://127.0.0.1/"))
    READER.close()
    SCRIPTED.close()
    assert unread == []  # what went wrong was foreseen
    assert answer.status or answer.error in ("protocol", "reset")
    assert 0 <= answer.retry_after_ms < 2**53
    assert len(answer.excerpt.encode()) <= 256


@contextmanager
def unread_answers() -> Iterator[list[str]]:
    """Collect what the sender logs."""
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("tocsin.adapters.http.sender")
    logger.addHandler(handler)
    try:
        yield said
    finally:
        logger.removeHandler(handler)
