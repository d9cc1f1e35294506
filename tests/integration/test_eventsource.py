"""What Tocsin encodes, as the ``eventsource`` package for Node reads it."""

import json
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.tenant import Tenant
from support.programs import node_command
from tocsin.wire import dialects, frames, sse
from tocsin.wire.sse import Decoder, Message, comment, encode

type Reader = Callable[[list[bytes]], tuple[list[Message], int]]

PROGRAM = Path(__file__).parents[1] / "support" / "eventsource_decoder.mjs"
OWN = ("connected", "cursor", "gap")  # Tocsin's own messages
DEFAULT_RETRY_MS = 3_000  # eventsource's own

PLAIN = st.text(st.characters(exclude_characters="\r\n\0", codec="utf-8"))
ANY = st.text(st.characters(codec="utf-8")) | st.text(st.sampled_from("\r\n\0 :ad\ufeff\u2028"))
SENT = st.lists(
    st.tuples(
        st.none() | PLAIN,
        st.none() | ANY,
        st.none() | PLAIN | st.integers(),
        st.none() | st.integers(0, 10_000),
    )
)
CUTS = st.lists(st.integers(min_value=0, max_value=400))


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Read a stream, given in chunks: its messages, and how long a client waits after it.

    One process reads all the streams of this module.
    """
    folder = tmp_path_factory.mktemp("eventsource")
    command = node_command(Path(shutil.copy(PROGRAM, folder)))
    with subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def read(chunks: list[bytes]) -> tuple[list[Message], int]:
            assert process.stdin and process.stdout
            print(json.dumps([b64encode(each).decode() for each in chunks]), file=process.stdin)
            process.stdin.flush()
            said = json.loads(process.stdout.readline())
            return [Message(*message) for message in said["messages"]], said["retry"]

        yield read


def ours(chunks: list[bytes]) -> tuple[list[Message], int]:
    decoder = Decoder()
    messages = [message for chunk in chunks for message in decoder.feed(chunk)]
    return messages, DEFAULT_RETRY_MS if decoder.retry_ms is None else decoder.retry_ms


def split(stream: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({cut for cut in cuts if cut < len(stream)})
    return [stream[a:b] for a, b in zip([0, *ends], [*ends, len(stream)], strict=True)]


@given(sent=SENT, cuts=CUTS)
def test_eventsource_reads_what_was_sent_however_it_is_split(
    read: Reader,
    sent: list[tuple[str | None, str | None, str | int | None, int | None]],
    cuts: list[int],
) -> None:
    stream = b"".join(encode(*message) + comment("data: forged") for message in sent)
    expected, cursor, retry_ms = [], "", DEFAULT_RETRY_MS
    for event, text, id, retry in sent:
        cursor = cursor if id is None else str(id)
        retry_ms = retry_ms if retry is None else retry
        if text is not None:
            lines = text.replace("\r\n", "\n").replace("\r", "\n")
            expected.append(Message(event or "message", lines, cursor))
    assert read(split(stream, cuts)) == (expected, retry_ms)


@given(text=ANY, cuts=CUTS)
def test_eventsource_reads_every_dialect_whatever_an_event_holds(
    read: Reader, text: str, cuts: list[int]
) -> None:
    fields = {"agent_id": text, "tool_name": text, "request": {text: text}, "metadata": {"t": text}}
    events = Tenant().add(3, type="completion", cost_usd=1, **fields)
    for dialect in (dialects.IGRIS, dialects.RAMPART, dialects.GOVRIX, dialects.KAVACH):
        stream = dialect.opening(0, 1_500) + dialect.heartbeat.data
        stream += b"".join(map(dialect.encode, events)) + frames.gap(5, 9) + frames.cursor(12)
        chunks = split(stream, cuts)
        messages, retry_ms = read(chunks)
        assert (messages, retry_ms) == ours(chunks)
        assert retry_ms == 1_500
        said = [json.loads(message.data) for message in messages]
        told = [each.get("event", each) for each in said if each["type"] not in OWN]
        assert [each["seq"] for each in told if "seq" in each] == [1, 2, 3]
        tools = [each.get("tool_name", each.get("toolName")) for each in told if "seq" in each]
        assert tools == [text] * 3


def test_eventsource_reads_the_end_that_kavachos_documents(read: Reader) -> None:
    (message,), _ = read([dialects.KAVACH.unauthorized or b""])
    assert message.event == "error"
    assert json.loads(message.data)["code"] == "UNAUTHORIZED"


def test_eventsource_reads_the_longest_line_that_tocsin_sends(read: Reader) -> None:
    (event,) = Tenant().add(metadata={"text": "é" * 120_000})
    stream = dialects.GOVRIX.encode(event)
    assert len(stream) > 230_000
    (message,), _ = read([stream[:100_001], stream[100_001:]])
    assert json.loads(message.data)["metadata"] == {"text": "é" * 120_000}
    assert len(stream) < sse.MAX_MESSAGE_BYTES
