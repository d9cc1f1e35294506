"""The WHATWG's examples and rules, and what our encoder and decoder promise each other."""

import httpx
import pytest
from httpx_sse import EventSource
from hypothesis import given
from hypothesis import strategies as st

from tocsin.wire import sse
from tocsin.wire.sse import Decoder, Message, MessageTooLarge, comment, encode


def decode(*chunks: bytes) -> list[Message]:
    decoder = Decoder()
    return [message for chunk in chunks for message in decoder.feed(chunk)]


def data(*chunks: bytes) -> list[str]:
    return [message.data for message in decode(*chunks)]


# The examples of https://html.spec.whatwg.org/multipage/server-sent-events.html


def test_whatwg_introduction_first_example() -> None:
    stream = (
        b"data: This is the first message.\n\n"
        b"data: This is the second message, it\ndata: has two lines.\n\n"
        b"data: This is the third message.\n\n"
    )
    assert decode(stream) == [
        Message("message", "This is the first message.", ""),
        Message("message", "This is the second message, it\nhas two lines.", ""),
        Message("message", "This is the third message.", ""),
    ]


def test_whatwg_introduction_event_types() -> None:
    stream = (
        b"event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\nevent: add\ndata: 113411\n\n"
    )
    assert decode(stream) == [
        Message("add", "73857293", ""),
        Message("remove", "2153", ""),
        Message("add", "113411", ""),
    ]


def test_whatwg_stock_ticker_is_one_event() -> None:
    assert decode(b"data: YHOO\ndata: +2\ndata: 10\n\n") == [Message("message", "YHOO\n+2\n10", "")]


def test_whatwg_four_blocks() -> None:
    stream = (
        b": test stream\n\n"
        b"data: first event\nid: 1\n\n"
        b"data:second event\nid\n\n"
        b"data:  third event\n"
    )
    assert decode(stream) == [
        Message("message", "first event", "1"),
        Message("message", "second event", ""),
    ]
    assert decode(stream + b"\n")[2] == Message("message", " third event", "")


def test_whatwg_two_events_with_empty_data_and_an_unfinished_one() -> None:
    assert data(b"data\n\ndata\ndata\n\ndata:") == ["", "\n"]


def test_whatwg_comments_keep_a_connection_alive() -> None:
    assert decode(b":\n:\n: \n\n", b":\n") == []


def test_whatwg_an_empty_id_resets_the_cursor() -> None:
    decoder = Decoder(last_event_id="41")
    assert [message.id for message in decoder.feed(b"id\ndata: a\n\n")] == [""]
    assert decoder.last_event_id == ""


def test_whatwg_a_space_after_the_colon_is_ignored() -> None:
    assert data(b"data:test\n\ndata: test\n\n") == ["test", "test"]


# The rules


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_every_line_end_ends_a_line(end: bytes) -> None:
    stream = end.join([b"event: a", b"data: b", b"data: c", b"", b""])
    assert decode(stream) == [Message("a", "b\nc", "")]


def test_a_crlf_split_between_chunks_is_one_line_end() -> None:
    assert data(b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n") == ["a\nb"]


def test_a_lone_cr_ends_a_message_at_once() -> None:
    assert data(b"data: a\r\r") == ["a"]


def test_an_empty_chunk_between_cr_and_lf_changes_nothing() -> None:
    assert data(b"data: a\r", b"", b"\ndata: b\n\n") == ["a\nb"]


@pytest.mark.parametrize("cut", range(4))
def test_one_leading_bom_is_ignored_wherever_it_is_split(cut: int) -> None:
    stream = b"\xef\xbb\xbfdata: a\n\n"
    assert data(stream[:cut], stream[cut:]) == ["a"]


def test_a_second_bom_belongs_to_the_field_name() -> None:
    assert data(b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n") == ["b"]


def test_what_only_begins_like_a_bom_is_kept() -> None:
    assert data(b"\xef", b"\xbb", b"data: a\n\ndata: b\n\n") == ["b"]


def test_an_id_with_nul_is_ignored() -> None:
    assert decode(b"id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n")[1].id == "1"


def test_an_id_outlives_messages_without_one() -> None:
    assert [m.id for m in decode(b"id: 7\ndata: a\n\ndata: b\n\nid\ndata: c\n\n")] == ["7", "7", ""]


def test_an_id_without_data_moves_the_cursor_and_dispatches_nothing() -> None:
    decoder = Decoder()
    assert list(decoder.feed(b"event: x\nid: 41\n\n")) == []
    assert decoder.last_event_id == "41"


def test_an_id_counts_when_its_message_ends() -> None:
    decoder = Decoder(last_event_id="6")
    assert list(decoder.feed(b"data: a\nid: 7\n")) == []
    assert decoder.last_event_id == "6"


def test_a_reader_that_stops_between_two_messages_knows_where() -> None:
    decoder = Decoder()
    messages = decoder.feed(b"id: 1\ndata: a\n\nid: 2\ndata: b\n\n")
    assert next(messages).data == "a"
    assert decoder.last_event_id == "1"


@pytest.mark.parametrize(
    ("value", "milliseconds"),
    [
        (b"1500", 1500),
        (b"0", 0),
        (b"-1", None),
        (b"1.5", None),
        (b"1e3", None),
        (b"", None),
        (b"  15", None),
        ("\u0661\u0665".encode(), None),  # digits, but not ASCII's
        (b"9" * 5000, 10**18),  # beyond what int() parses
    ],
)
def test_retry_takes_ascii_digits_alone(value: bytes, milliseconds: int | None) -> None:
    decoder = Decoder()
    assert list(decoder.feed(b"retry:" + value + b"\n\n")) == []
    assert decoder.retry_ms == milliseconds


def test_the_event_type_does_not_outlive_its_message() -> None:
    assert [m.event for m in decode(b"event: a\n\ndata: b\n\n")] == ["message"]


def test_unknown_fields_comments_and_capitals_are_ignored() -> None:
    assert data(b":data: x\ndatas: x\nDATA: x\n data: x\ndata: a\n\n") == ["a"]


def test_invalid_utf8_becomes_the_replacement_character() -> None:
    assert data(b"data: \xff\xe2\x82\n\n") == ["\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"]


def test_other_unicode_line_ends_are_content() -> None:
    assert data("data: a\u2028b\u0085c\x0bd\n\n".encode()) == ["a\u2028b\u0085c\x0bd"]


def test_an_unfinished_message_is_discarded() -> None:
    assert data(b"data: a\n\ndata: b\n") == ["a"]


# The limit


@pytest.mark.parametrize(
    "chunks",
    [
        [b"data: " + b"x" * 100],
        [b"data: " + b"x" * 100 + b"\n"],
        [b"x" * 10] * 11,
        [b"data: x\n" * 15],
        [b"data\n" * 30],
        [b": " + b"x" * 100 + b"\n"],
    ],
    ids=["a line", "a full line", "a line in pieces", "lines", "empty lines", "a comment"],
)
def test_a_message_beyond_the_limit_is_refused(chunks: list[bytes]) -> None:
    decoder = Decoder(max_message_bytes=100)
    with pytest.raises(MessageTooLarge, match="100 bytes"):
        for chunk in chunks:
            list(decoder.feed(chunk))


def test_the_limit_is_for_each_message() -> None:
    decoder = Decoder(max_message_bytes=100)
    assert len(list(decoder.feed((b"data: " + b"x" * 80 + b"\n\n") * 50))) == 50


# Encoding


def test_encode_writes_what_the_documents_show() -> None:
    assert (
        encode("agent_event", b'{"seq":7}', 7) == b'id: 7\nevent: agent_event\ndata: {"seq":7}\n\n'
    )
    assert encode(None, '{"type":"connected"}') == b'data: {"type":"connected"}\n\n'
    assert encode(None, None, 12, 3000) == b"id: 12\nretry: 3000\n\n"


def test_a_comment_ends_with_one_line_feed() -> None:
    assert comment("keepalive") == b": keepalive\n"
    assert decode(comment("data: a\r\ndata: b\n\n") + b"\n") == []


@pytest.mark.parametrize("forged", ["a\nb", "a\rb", "a\0b"])
def test_an_event_or_id_that_forges_a_line_is_refused(forged: str) -> None:
    with pytest.raises(ValueError, match="in the id field"):
        encode("a", b"", forged)
    with pytest.raises(ValueError, match="in the event field"):
        encode(forged, b"")


def test_a_negative_retry_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        encode(None, None, retry=-1)


_PLAIN = st.text(st.characters(exclude_characters="\r\n\0", codec="utf-8"))
_ANY = st.text(st.characters(codec="utf-8")) | st.text(st.sampled_from("\r\n\0 :ad\ufeff"))
_SENT = st.lists(st.tuples(st.none() | _PLAIN, _ANY, st.none() | _PLAIN | st.integers()))
_CUTS = st.lists(st.integers(min_value=0, max_value=400))


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _split(stream: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({cut for cut in cuts if cut < len(stream)})
    return [stream[a:b] for a, b in zip([0, *ends], [*ends, len(stream)], strict=True)]


@given(_SENT, _CUTS)
def test_what_is_encoded_is_decoded_however_it_is_split(
    sent: list[tuple[str | None, str, str | int | None]], cuts: list[int]
) -> None:
    stream = b"".join(encode(*message) + comment("data: forged") for message in sent)
    expected, cursor = [], ""
    for event, text, id in sent:
        cursor = cursor if id is None else str(id)
        expected.append(Message(event or "message", _lines(text), cursor))
    assert decode(*_split(stream, cuts)) == expected


@given(
    st.binary(max_size=300) | st.text(st.sampled_from("\r\n:data id\ufeff")).map(str.encode), _CUTS
)
def test_a_split_never_matters(stream: bytes, cuts: list[int]) -> None:
    assert decode(*_split(stream, cuts)) == decode(stream)


@given(_SENT)
def test_httpx_sse_reads_the_same(sent: list[tuple[str | None, str, str | int | None]]) -> None:
    stream = b"".join(encode(*message) for message in sent)
    response = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content=stream)
    theirs = [
        Message(message.event, message.data, message.id)
        for message in EventSource(response).iter_sse()
    ]
    assert theirs == decode(stream)


_FIELD = st.sampled_from(["data", "event", "id", "retry", "", "Data", "dat", "data ", " id"])
_VALUE = st.sampled_from(["", ":", ": ", ":  ", ": x", ":x:y", ": 7", ": é\u2028\x0b", ": \ufeff"])
_LINES = st.lists(
    st.tuples(_FIELD, _VALUE, st.sampled_from(["\n", "\r", "\r\n", "\n\n", "\r\r", "\r\n\r\n"]))
)


@given(_LINES, _CUTS)
def test_httpx_sse_reads_any_stream_the_same(
    lines: list[tuple[str, str, str]], cuts: list[int]
) -> None:
    """Where both keep to the standard: it dispatches on an id or retry alone, which that forbids.

    And it is asked for no BOM and for data that is not empty, where it can't tell both apart.
    """
    stream = "".join(map("".join, lines)).encode()
    pieces = _split(stream, cuts)
    response = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content=pieces)
    theirs = [
        Message(message.event, message.data, message.id)
        for message in EventSource(response).iter_sse()
        if message.data
    ]
    assert theirs == [message for message in decode(*pieces) if message.data]


def test_the_documented_limit_is_the_default() -> None:
    decoder = Decoder()
    with pytest.raises(MessageTooLarge):
        list(decoder.feed(b"data: " + b"x" * sse.MAX_MESSAGE_BYTES))
