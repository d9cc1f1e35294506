"""``tocsin up``: starting, supervising and stopping the whole product."""

import signal
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import httpx
import psutil
import pytest

from support.product import Product
from support.waiting import HANG_SECONDS, until
from tocsin.client import Client

pytestmark = pytest.mark.xdist_group("product")

PARTS = {"dynamodb", "valkey", "ingest", "api", "fanout", "project", "detect"}
PARTS |= {"deliver", "poller", "stream", "gateway"}


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Another copy, as a script starts it."""
    product = Product(tmp_path_factory.mktemp("second") / "home", background=True)
    yield product
    product.stop()


@pytest.fixture
def own(second: Product) -> Product:
    """A copy that runs, and that the test may leave in any state."""
    if not second.running:
        second.start()
    return second


def test_up_says_where_it_is_and_what_to_try(product: Product) -> None:
    for needed in (
        product.url,
        product.api_key,
        f"{product.url}/api/v1/ingest/raw",
        f"curl -N -H 'Authorization: Bearer {product.api_key}'",
    ):
        assert needed in product.output
    assert product.org == "local"


def test_only_the_user_can_read_the_key(product: Product) -> None:
    assert stat.S_IMODE((product.home / "local.json").stat().st_mode) == 0o600


def test_healthz_names_every_part(product: Product) -> None:
    status, parts = product.health()

    assert status == 200
    assert parts == dict.fromkeys(PARTS, "ready")


def test_the_stream_service_hears_valkey(product: Product) -> None:
    layout = product.layout
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(layout.socket("stream")))) as client:
        health = client.get(layout.url("stream") + "/healthz").json()

    assert health == {"status": "ok", "ledger": "ok", "broker": "ok"}


def test_the_api_says_what_was_sent(product: Product) -> None:
    def ask(path: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {product.api_key}"}
        return httpx.get(product.url + path, headers=headers, timeout=HANG_SECONDS)

    before = ask("/api/v1/usage").json()
    assert _ingests(product, product.api_key) == 200
    after = ask("/api/v1/usage").json()

    assert before["quota"] == after["quota"] == after["used"] + after["left"]
    assert after["used"] > before["used"] or after["month"] != before["month"]
    assert [ask(path).status_code for path in ("/health", "/ready", "/nothing")] == [200, 200, 404]


@pytest.mark.parametrize("part", sorted(PARTS - {"dynamodb"}))
def test_a_killed_part_is_named_and_started_again(product: Product, part: str) -> None:
    before = product.parts()[part].pid
    told = len(product.output)

    product.kill(part)

    until(lambda: f"ready again: {part}" in product.output[told:], f"{part} is back")
    assert f"{part} was killed by SIGKILL; starting it again" in product.output[told:]
    product.until_ready()
    assert product.parts()[part].pid != before


def test_healthz_names_the_part_that_is_not_ready(product: Product) -> None:
    valkey = product.parts()["valkey"]
    valkey.suspend()
    try:
        status, parts = product.health()
    finally:
        valkey.resume()

    assert status == 503
    assert parts["valkey"] == "not answering"
    product.until_ready()


def test_a_taken_port_is_said_plainly(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        product = Product(tmp_path / "home", port=taken.getsockname()[1])
        product.launch()

        assert product.process.wait(HANG_SECONDS) == 2

    assert f"port {product.port}" in product.output
    assert "TOCSIN_PORT" in product.output
    assert "Traceback" not in product.output


def test_a_home_serves_one_product_at_a_time(product: Product, tmp_path: Path) -> None:
    (tmp_path / "same").symlink_to(product.home)
    second = Product(tmp_path / "same")
    second.launch()

    assert second.process.wait(HANG_SECONDS) == 2
    assert f"process {product.process.pid}" in second.output
    assert "TOCSIN_HOME" in second.output
    product.until_ready()


def test_two_copies_run_side_by_side(product: Product, own: Product) -> None:
    assert set(own.parts()) == PARTS
    assert own.url != product.url
    own.until_ready()
    product.until_ready()
    assert _ingests(own, own.api_key) == 200
    assert _ingests(own, product.api_key) == 401


# The signals that it is stopped by: SIGINT was ignored where a script started it, and counts all
# the same when it is sent to it; SIGHUP is a closed terminal; SIGTERM ends the tests' product.


def test_a_stop_by_sigint_leaves_nothing_behind_but_the_key_and_the_events(
    product: Product, own: Product
) -> None:
    parts, key, before = own.parts(), own.api_key, _head(own)
    for number in range(3):
        assert _ingests(own, key, sessionId=f"ses_{number}") == 200

    assert own.stop(signal.SIGINT) == 0

    assert not [name for name, part in parts.items() if _lives(part)]
    product.until_ready()

    own.start()
    assert own.api_key == key
    with own.tables() as admin:  # the last run may have ended before they were projected
        get = admin.projections.get
        wanted = [f"ses_{number}" for number in range(3)]
        until(lambda: all(get(own.org, "session", id) for id in wanted), "sessions are projected")
    assert _ingests(own, key, sessionId="ses_3") == 200
    with Client(own.url, key) as client, closing(client.stream(after=before)) as stream:
        calls = (event for event in stream if event.type == "tool_call")
        seen = [(event.session_id, event.seq) for event in islice(calls, 4)]
    assert [session for session, _ in seen] == [f"ses_{number}" for number in range(4)]
    assert seen[0][1] == before + 1
    assert sorted({seq for _, seq in seen}) == [seq for _, seq in seen]


def test_a_killed_dynamodb_is_called_a_loss_and_everything_goes_on(own: Product) -> None:
    key, told = own.api_key, len(own.output)

    own.kill("dynamodb")

    until(lambda: "ready again" in own.output[told:], "everything is back")
    assert "dynamodb was killed by SIGKILL" in own.output[told:]
    assert "is lost" in own.output[told:]
    own.until_ready()
    assert _ingests(own, key) == 200


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a process of its parent's end"
)
def test_a_killed_supervisor_takes_its_parts_along_and_keeps_the_state(own: Product) -> None:
    parts, key = own.parts(), own.api_key

    own.stop(signal.SIGKILL)
    own.start()  # waits until the tables of the run before are saved

    until(lambda: not [part for part in parts.values() if _lives(part)], "the parts end")
    assert own.api_key == key
    assert _ingests(own, key) == 200
    assert own.stop(signal.SIGHUP) == 0


def _ingests(product: Product, key: str, **fields: str) -> int:
    return httpx.post(
        f"{product.url}/api/v1/ingest/raw",
        headers={"Authorization": f"Bearer {key}"},
        json={"type": "tool_call", "toolName": "search"} | fields,
        timeout=HANG_SECONDS,
    ).status_code


def _head(product: Product) -> int:
    """Return the last seq, once everything that was accepted is sealed."""
    assert _ingests(product, product.api_key, sessionId="ses_head") == 200
    with Client(product.url, product.api_key) as client:

        def sealed() -> bool:
            newest = client.replay(limit=1)
            return bool(newest) and newest[0].session_id == "ses_head"

        until(sealed, "all is sealed")
        return client.replay(limit=1)[0].seq


def _lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
