import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.tenant import Tenant
from tocsin.wire import channel


@given(before=st.integers(0, 3), counts=st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_what_is_encoded_is_decoded(before: int, counts: list[int]) -> None:
    tenant = Tenant()
    for _ in range(before):
        tenant.add()
    events = tenant.add(*counts, metadata={"line": "one\ntwo\r\u2028"})
    message = channel.decode(channel.encode(events))
    assert (message.first_seq, message.last_seq) == (events[0].seq, events[-1].seq)
    assert message.events == events


@given(st.data())
def test_a_changed_message_is_garbled_or_says_the_same(data: st.DataObject) -> None:
    sent = channel.encode(Tenant().add(3))
    place = data.draw(st.integers(0, len(sent) - 1))
    changed = bytearray(sent)
    changed[place] ^= data.draw(st.integers(1, 255))
    try:
        message = channel.decode(bytes(changed))
    except channel.Garbled:
        return
    # The range is not under the hash: the engine compares it with its head, and prev_hash too.
    assert [event.entry for event in message.events] == [
        event.entry for event in channel.decode(sent).events
    ]


@given(st.binary(max_size=100))
def test_noise_is_garbled(noise: bytes) -> None:
    with pytest.raises(channel.Garbled):
        channel.decode(noise)


@pytest.mark.parametrize(
    "header",
    [b"{}", b"[]", b'{"first":0,"last":3}', b'{"first":4,"last":3}', b'{"first":"x","last":3}'],
)
def test_a_header_that_makes_no_sense_is_garbled(header: bytes) -> None:
    with pytest.raises(channel.Garbled):
        channel.decode(header)


def test_beyond_256_kb_only_the_range_is_said() -> None:
    events = Tenant().add(3, metadata={"text": "x" * 100_000})
    sent = channel.encode(events)
    assert len(sent) < 100
    assert channel.decode(sent) == channel.Message(1, 3, [])
    assert sent == channel.encode_range(1, 3)


def test_just_below_256_kb_the_events_are_in_it() -> None:
    events = Tenant().add(2, metadata={"text": "x" * 130_000})
    assert channel.decode(channel.encode(events)).events == events
