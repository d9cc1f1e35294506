"""Tails are exact where sums can be, and finite, ordered and never negative everywhere."""

from fractions import Fraction
from math import comb, exp, factorial, inf, isclose, lgamma, log, nan, pi, sqrt

from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.detect.tails import MOST_NATS, beta_binomial, count, no_count, student_t

anything = st.floats(allow_nan=True, allow_infinity=True)


def near(one: float, other: float) -> bool:
    return isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)


@given(st.integers(1, 60), st.integers(1, 40), st.integers(1, 99))
def test_a_negative_binomial_tail_is_the_sum_of_its_terms(
    seen: int, size: int, percent: int
) -> None:
    share = Fraction(percent, 100)
    below = sum(comb(k + size - 1, k) * share**k * (1 - share) ** size for k in range(seen))
    mean = float(size * share / (1 - share))
    expected = -log(1 - below) if seen > mean else 0.0
    assert near(count(seen, mean, size), expected)
    assert near(no_count(mean, size), -size * log(1 - share))


@given(st.integers(1, 60), st.integers(1, 400))
def test_a_poisson_tail_is_the_sum_of_its_terms(seen: int, tenths: int) -> None:
    mean = tenths / 10
    terms = [Fraction(tenths, 10) ** k / factorial(k) for k in range(seen, seen + 200)]
    expected = mean - log(sum(terms)) if seen > mean else 0.0
    assert near(count(seen, mean), expected)
    assert no_count(mean) == mean


def test_far_tails_of_great_counts_keep_their_digits() -> None:
    far = count(2_100_000, 2_000_000)
    term = 2_000_000 - 2_100_000 * log(2_000_000) + lgamma(2_100_001)
    ratio = 2_000_000 / 2_100_001
    assert isclose(far, term + log(1 - ratio), rel_tol=1e-5)
    for seen in (10**9 + 10**5, 10**13 + 10**7):
        mean = 10 ** (len(str(seen)) - 1)
        z = (seen - mean) / sqrt(mean)
        normal = z * z / 2 + log(z * sqrt(2 * pi)) + 1 / z**2
        assert isclose(count(seen, mean), normal, rel_tol=0.02)


@given(st.integers(1, 32), st.integers(0, 33), st.integers(1, 50), st.integers(1, 50))
def test_a_beta_binomial_tail_is_the_sum_of_its_terms(
    of: int, seen: int, yes: int, no: int
) -> None:
    def beta(a: int, b: int) -> Fraction:
        return Fraction(factorial(a - 1) * factorial(b - 1), factorial(a + b - 1))

    tail = sum(
        comb(of, k) * beta(k + yes, of - k + no) / beta(yes, no) for k in range(seen, of + 1)
    )
    assert near(beta_binomial(seen, of, yes, no), -log(tail) if tail else MOST_NATS)


@given(st.floats(-50, 50), st.integers(1, 12))
def test_students_t_of_two_degrees_has_a_closed_form_and_many_are_normal(
    t: float, degrees: int
) -> None:
    if t > 0:  # the other form loses digits
        root = sqrt(2 + t * t)
        expected = log(root * (root + t))
    else:
        expected = -log(0.5 - t / sqrt(2 + t * t) / 2)
    assert near(student_t(t, 2), expected)
    assert near(exp(-student_t(t, degrees)) + exp(-student_t(-t, degrees)), 1)
    assert isclose(student_t(abs(t), 1e8), student_t(abs(t), 1e12), rel_tol=1e-3)


@given(anything, anything, anything)
def test_no_number_breaks_a_tail(seen: float, mean: float, size: float) -> None:
    for nats in (count(seen, mean, size), no_count(mean, size), student_t(seen, size)):
        assert 0 <= nats <= MOST_NATS
    assert 0 <= beta_binomial(3, 8, mean, size) <= MOST_NATS


@given(st.floats(0.001, 1e12), st.floats(0.001, 1e12), st.floats(0, 1e3), st.floats(0, 1e3))
def test_more_is_more_surprising(mean: float, size: float, one: float, more: float) -> None:
    spread = sqrt(mean + mean * mean / size)
    less = count(mean + one * spread, mean, size)
    assert count(mean + (one + more) * spread, mean, size) >= less * (1 - 1e-3) - 1e-3


def test_what_is_no_number_surprises_nobody() -> None:
    assert count(nan, 1) == count(1, nan) == 0
    assert near(student_t(nan, 3), log(2))
    assert count(inf, 1) == MOST_NATS
