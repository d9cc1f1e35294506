from httpx_sse._decoders import SSEDecoder

from support.streams import decode
from tocsin.wire import frames, sse

CURSOR = sse.Message("cursor", '{"type":"cursor","seq":41}', "41")


def test_the_opening_tells_the_cursor_and_dispatches_nothing() -> None:
    decoder = sse.Decoder()
    assert list(decoder.feed(frames.opening(41, 2_000))) == []
    assert decoder.last_event_id == "41"
    assert decoder.retry_ms == 2_000


def test_no_decoder_makes_a_message_of_an_opening() -> None:
    decoder = SSEDecoder()  # which makes one of any field before a blank line
    lines = frames.opening(41, 2_000).decode().split("\n")
    assert [decoder.decode(line) for line in lines[:-1]] == [None] * (len(lines) - 1)
    decoder.decode("data: {}")
    message = decoder.decode("")
    assert message
    assert (message.id, message.data) == ("41", "{}")


CURSOR = sse.Message("cursor", '{"type":"cursor","seq":41}', "41")


def test_a_heartbeat_is_a_comment_and_one_line_feed() -> None:
    assert sse.comment("keepalive") == frames.HEARTBEAT
    assert decode(frames.HEARTBEAT * 3) == []


def test_an_event_is_what_the_encoder_writes_in_other_order() -> None:
    rendered = frames.event("tool_call", 7, {"a": 1})
    assert sorted(rendered.split(b"\n")) == sorted(
        sse.encode("tool_call", b'{"a":1}', 7).split(b"\n")
    )


def test_a_time_to_come_back_at_dispatches_nothing_and_keeps_the_cursor() -> None:
    decoder = sse.Decoder()
    assert list(decoder.feed(frames.opening(41, 2_000) + frames.retry(7_654))) == []
    assert b"\n\n" not in frames.retry(7_654)
    assert (decoder.last_event_id, decoder.retry_ms) == ("41", 7_654)


def test_a_gap_moves_the_cursor_to_before_what_is_kept() -> None:
    (message,) = decode(frames.gap(10, 100))
    assert (message.event, message.id) == ("gap", "99")
    assert message.fields["after"] == 10
    assert message.fields["first_seq"] == 100


def test_a_failure_moves_no_cursor() -> None:
    data = frames.opening(41, 2_000) + frames.failure("INTEGRITY", "broken", seq=42)
    (message,) = decode(data)
    assert (message.event, message.id) == ("error", "41")
    said = {"type": "error", "code": "INTEGRITY", "message": "broken", "seq": 42}
    assert message.fields == said


def test_a_cursor_alone_is_json_by_a_name_of_its_own() -> None:
    decoder = sse.Decoder()
    assert list(decoder.feed(frames.cursor(41))) == [CURSOR]
    assert decoder.last_event_id == "41"


def test_who_has_the_first_of_two_messages_is_given_the_other() -> None:
    id = frames.part_id(7)
    first, other = sse.encode(None, "a", id), sse.encode(None, "b", 7)
    assert frames.without_first(first + other, id) == other
    assert frames.without_first(other, id) == other
    assert frames.without_first(b"", id) == b""


def test_a_cursor_of_another_ledger_is_told_and_replaced_by_this_ones_end() -> None:
    (message,) = decode(frames.unknown(12, 5))
    assert (message.event, message.id) == ("gap", "5")
    assert (message.fields["after"], message.fields["first_seq"]) == (12, 6)
    (message,) = decode(frames.unknown(None, 5))
    assert (message.fields["after"], message.fields["first_seq"]) == (5, 6)
