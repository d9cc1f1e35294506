"""A share of failures: what is too many is said, and only of a failure."""

from random import Random

from tocsin.domain.detect.proportion import Proportion

ALARMING = 15.0


def test_calls_that_begin_to_fail_show_within_as_many_as_it_takes() -> None:
    random, proportion = Random(1), Proportion()  # noqa: S311
    calm = [proportion.see(random.random() < 0.02) for _ in range(2_000)]
    assert max(each.nats for each in calm if each) < ALARMING
    nats = [surprise.nats for _ in range(8) if (surprise := proportion.see(True))]
    assert max(nats) > ALARMING


def test_what_fails_half_the_time_is_expected_to() -> None:
    random, proportion = Random(2), Proportion()  # noqa: S311
    seen = [proportion.see(random.random() < 0.5) for _ in range(3_000)]
    assert max(each.nats for each in seen[100:] if each) < ALARMING
    last = next(each for each in reversed(seen) if each)
    assert 0.35 < last.expected < 0.65


def test_success_and_the_first_failure_surprise_nobody() -> None:
    proportion = Proportion()
    assert proportion.see(False) is None
    assert proportion.see(True) is None


def test_an_outage_that_stays_is_accepted() -> None:
    proportion = Proportion()
    for _ in range(1_000):
        proportion.see(False)
    found = [proportion.see(True) for _ in range(2_000)]
    assert max(each.nats for each in found if each) > ALARMING
    assert not any(found[500:])
