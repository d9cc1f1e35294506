from hypothesis import given
from hypothesis import strategies as st

from fakes.tenant import Tenant
from tocsin.domain import chain
from tocsin.domain.segment import SealedEvent
from tocsin.services.stream.ring import CHUNK_BYTES, Ring, chunks
from tocsin.wire import govrix, igris

GENESIS = chain.genesis("acme")


def ring(max_events: int = 100, max_bytes: int = 1_000_000) -> Ring:
    return Ring(0, GENESIS, max_events, max_bytes)


def test_subscribers_at_one_cursor_get_one_object() -> None:
    subject = ring()
    subject.append(Tenant().add(5))
    assert subject.take(igris.encode, 2) is subject.take(igris.encode, 2)
    assert subject.take(igris.encode, 2) != subject.take(govrix.encode, 2)


def test_an_event_is_rendered_once_for_all_cursors() -> None:
    rendered = []

    def render(event: SealedEvent) -> bytes:
        rendered.append(event.seq)
        return b"%d;" % event.seq

    subject, tenant = ring(), Tenant()
    subject.append(tenant.add(3))
    assert [getattr(subject.take(render, at), "data", b"") for at in (0, 1)] == [b"1;2;3;", b"2;3;"]
    subject.append(tenant.add(1))
    assert getattr(subject.take(render, 0), "data", b"") == b"1;2;3;4;"
    assert rendered == [1, 2, 3, 4]


@given(st.lists(st.integers(1, 9), min_size=1), st.integers(1, 20), st.integers(1, 9_000))
def test_it_holds_at_most_what_it_may(counts: list[int], events: int, size_bytes: int) -> None:
    subject, tenant, kept = ring(events, size_bytes), Tenant(), []
    for count in counts:
        kept += tenant.add(count)
        assert subject.append(kept[-count:])
        cursor = subject.seq
        while cursor > 0 and (chunk := subject.take(govrix.encode, cursor - 1)) is not None:
            cursor -= 1
            assert chunk.last_seq == subject.seq
            assert chunk.data == b"".join(map(govrix.encode, kept[cursor:]))
        held = kept[cursor:]
        assert len(held) <= events
        assert sum(len(event.entry) for event in held) <= size_bytes
        if cursor:  # and no less than it may
            more = kept[cursor - 1 :]
            assert len(more) > events or sum(len(event.entry) for event in more) > size_bytes


def test_what_does_not_follow_is_refused_and_what_is_known_is_skipped() -> None:
    subject, tenant = ring(), Tenant()
    first, second, third = tenant.add(2), tenant.add(2), tenant.add(2)
    assert not subject.append(second)
    assert subject.append(first)
    assert subject.append(first)
    assert subject.append(first + second)
    assert subject.seq == 4
    forged = SealedEvent(5, third[0].entry, GENESIS, third[0].hash)
    assert not subject.append([forged])
    assert (subject.seq, subject.hash) == (4, second[-1].hash)


def test_chunks_are_bounded_and_linked() -> None:
    events = Tenant().add(100, metadata={"text": "x" * 3_000})
    subject = ring()
    subject.append(events)
    cursor, taken = 0, []
    while cursor < 100:
        chunk = subject.take(igris.encode, cursor)
        assert chunk is not None
        taken.append(chunk)
        cursor = chunk.last_seq
    assert len(taken) > 4
    assert all(len(chunk.data) <= CHUNK_BYTES for chunk in taken)
    assert [chunk.prev_hash for chunk in taken[1:]] == [chunk.hash for chunk in taken[:-1]]
    assert taken == list(chunks(events, igris.encode))


def test_a_message_larger_than_a_chunk_is_sent_alone() -> None:
    events = Tenant().add(3, metadata={"text": "x" * CHUNK_BYTES})
    assert [chunk.last_seq for chunk in chunks(events, igris.encode)] == [1, 2, 3]
