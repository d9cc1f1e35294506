import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.events import batch
from fakes.stores import FakeLedger
from tocsin.domain.ids import batch_time_ms
from tocsin.domain.segment import seal
from tocsin.services.reading import since as reading

START_MS = 1_774_000_000_000


def sealed(times: list[tuple[int, int]]) -> tuple[FakeLedger, list[int]]:
    """Seal a batch of two events at each (received, sealed) time; return the received ones."""
    ledger, received = FakeLedger(), []
    for salt, (received_ms, sealed_ms) in enumerate(times, 1):
        head = ledger.head("acme")
        one = batch("acme", 2, START_MS + received_ms, salt)
        segment, _ = seal("acme", head, [one], START_MS + sealed_ms)
        ledger.commit(segment, head)
        received += [batch_time_ms(one.id)] * 2
    return ledger, received


delays = st.lists(
    st.tuples(st.integers(0, 100_000), st.integers(-reading.SKEW_MS, 3_000)),
    min_size=1,
    max_size=40,
)


@settings(max_examples=200)
@given(steps=delays, since=st.integers(-1_000, 1_000_000))
def test_a_time_leads_to_the_first_event_received_then_or_later(
    steps: list[tuple[int, int]], since: int
) -> None:
    times, now = [], 0
    for step, delay in steps:
        now += step
        times.append((max(now - delay, 0), now))
    ledger, received = sealed(times)
    wanted = (seq for seq, at_ms in enumerate(received, 1) if at_ms >= START_MS + since)
    expected = next(wanted, len(received) + 1) - 1
    assert reading.seq_before(ledger, "acme", START_MS + since) == expected


def test_since_tells_milliseconds_apart() -> None:
    ledger, _ = sealed([(0, 500), (1, 500), (2, 501)])
    found = [reading.seq_before(ledger, "acme", START_MS + at_ms) for at_ms in range(4)]
    assert found == [0, 2, 4, 6]


def test_an_empty_ledger_begins_now() -> None:
    assert reading.seq_before(FakeLedger(), "acme", START_MS) == 0


@pytest.mark.parametrize("hours", [1, 100])
def test_a_longer_ledger_takes_no_more_queries(hours: int) -> None:
    ledger, _ = sealed([(minute * 60_000, minute * 60_000 + 5) for minute in range(hours * 60)])
    queries = 0

    class Counted:
        def __getattr__(self, name: str) -> object:
            nonlocal queries
            queries += 1
            return getattr(ledger, name)

    since_ms = START_MS + hours * 30 * 60_000
    assert reading.seq_before(Counted(), "acme", since_ms) == hours * 60  # type: ignore[arg-type]
    assert queries <= 6


def test_a_backlog_is_not_searched_to_its_end_and_nothing_is_missed() -> None:
    looked_at = reading.READS * reading.SEGMENTS_PER_READ
    late = [(0, 3_600_000)] * (looked_at + 50)
    ledger, _ = sealed([*late, (60_000, 3_600_000)])
    cursor = reading.seq_before(ledger, "acme", START_MS + 60_000)
    assert cursor == looked_at * 2
