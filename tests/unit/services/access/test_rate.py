"""How often a key may ask, with a clock and a table that fails."""

import pytest

from fakes.stores import FakeClock, FakeRates
from tocsin.domain.errors import Busy, OutcomeUnknown, TooOften
from tocsin.services.access.rate import Rate

MINUTE_MS = 1_774_000_020_000  # a whole one


class Failing(FakeRates):
    """A table that counts, or fails before or after it has counted."""

    error: Exception | None = None
    asked = 0

    def take(self, org: str, key_id: str, minute: int, limit: int) -> bool:
        self.asked += 1
        if isinstance(self.error, Busy) and not isinstance(self.error, OutcomeUnknown):
            raise self.error
        taken = super().take(org, key_id, minute, limit)
        if self.error:
            raise self.error
        return taken


class On:
    def __init__(self, per_minute: int = 3) -> None:
        self.clock, self.table = FakeClock(MINUTE_MS), Failing()
        self.per_minute = per_minute
        self.rate = self.process()

    def process(self) -> Rate:
        return Rate(self.table, self.clock, self.per_minute, changes_per_minute=5)

    def allowed(
        self, times: int, *, writes: bool = True, changes: bool = False, key: str = "k"
    ) -> int:
        for done in range(times):
            try:
                self.rate.take("acme", key, writes=writes, changes=changes)
            except TooOften:
                return done
        return times


def test_a_minute_s_requests_are_taken_and_the_next_says_when_there_is_room() -> None:
    on = On()
    on.clock.ms += 59_999
    assert on.allowed(4) == 3
    with pytest.raises(TooOften, match="3 requests a minute") as caught:
        on.rate.take("acme", "k", writes=True)
    assert caught.value.retry_after_seconds == 1
    on.clock.ms += 1
    assert on.allowed(4) == 3
    with pytest.raises(TooOften) as caught:
        on.rate.take("acme", "k", writes=True)
    assert caught.value.retry_after_seconds == 60


def test_processes_share_what_writes_and_not_what_reads() -> None:
    on = On()
    assert on.allowed(2) == 2
    on.rate = on.process()
    assert on.allowed(9) == 1
    on.rate = on.process()
    assert on.allowed(9, writes=False) == 3


def test_keys_and_orgs_do_not_share() -> None:
    on = On()
    assert on.allowed(9) == on.allowed(9, key="j") == 3
    on.rate.take("beta", "k", writes=True)


def test_an_org_s_admins_share_what_they_may_change_and_its_other_requests_go_on() -> None:
    on = On()
    on.clock.ms += 15_000
    assert on.allowed(3, changes=True, key="a") == 3
    on.rate = on.process()
    assert on.allowed(9, changes=True, key="b") == 2
    with pytest.raises(TooOften, match="5 changes a minute, with all") as caught:
        on.rate.take("acme", "c", writes=True, changes=True)
    assert caught.value.retry_after_seconds == 45
    on.rate.take("acme", "c", writes=True)
    on.rate.take("beta", "a", writes=True, changes=True)
    on.clock.ms += 45_000
    assert on.allowed(3, changes=True, key="a") == 3


def test_who_was_refused_for_the_org_asks_the_table_for_its_key_alone() -> None:
    on = On(per_minute=100)
    assert on.allowed(9, changes=True) == 5
    asked = on.table.asked
    for _ in range(10):
        assert on.allowed(1, changes=True) == 0
    assert on.table.asked == asked + 10


def test_reads_ask_the_table_nothing_and_who_is_refused_asks_it_once() -> None:
    on = On(per_minute=100)
    assert on.allowed(50, writes=False) == 50
    assert on.table.asked == 0
    on.table.used["acme", "k", MINUTE_MS // 60_000] = 100
    for _ in range(20):
        assert on.allowed(1) == 0
    assert on.table.asked == 1
    assert on.allowed(1, writes=False) == 1


@pytest.mark.parametrize("error", [Busy("b"), OutcomeUnknown("o")])
def test_a_table_that_does_not_count_refuses_nobody_and_each_process_counts(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    on = On()
    on.table.error = error
    assert on.allowed(9) == 3
    assert "not counted" in caplog.text
    assert sum(on.allowed(3, changes=True, key=key) for key in "abc") == 5
    on.table.error = None
    on.clock.ms += 60_000
    assert on.allowed(9) == 3


@pytest.mark.parametrize("jump_ms", [-86_400_000, 86_400_000])
def test_a_clock_that_jumps_begins_another_minute(jump_ms: int) -> None:
    on = On()
    assert on.allowed(9) == 3
    on.clock.ms += jump_ms
    assert on.allowed(9) == 3
    on.clock.ms -= jump_ms
    assert on.allowed(9) == 0
