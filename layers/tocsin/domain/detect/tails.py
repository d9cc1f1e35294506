"""How unlikely the tails of distributions are, in nats: -ln p, from 0 to :data:`MOST_NATS`.

A tail is its first term times a continued fraction. The terms are those of C. Loader, *Fast and
Accurate Computation of Binomial Probabilities* (2000), which lose nothing at counts of any size;
the fraction is the incomplete beta function's (NIST's *Digital Library of Mathematical Functions*,
8.17.22), of which the Poisson distribution's is the limit. Student's t is a beta function, too.
"""

from math import erfc, exp, inf, lgamma, log, log1p, nan, pi, sqrt
from typing import Final

__all__ = ["MOST_NATS", "beta_binomial", "count", "no_count", "student_t"]

MOST_NATS: Final = 1e6
"""No surprise is greater: what is so unlikely tells of a wrong assumption."""

_LEAST, _MOST = 1e-12, 1e15  # what counts, means and sizes are taken for, at least and at most
_TINY: Final = 1e-300
_EPSILON: Final = 1e-12
_STEPS: Final = 300  # of the fraction; it needs more only for great counts near their mean
_HALF_LN_2PI: Final = 0.5 * log(2 * pi)
_SURE: Final = 1e9  # trials that make a chance as good as known
_NORMAL: Final = 1e9  # degrees of freedom of which Student's t is as good as normal


def count(seen: float, mean: float, size: float = inf) -> float:
    """Return -ln P(X ≥ seen) of a negative binomial count; 0 if seen is not above the mean.

    Its variance is ``mean + mean²/size``: without a size it is Poisson's.
    """
    if not seen > mean or (seen := _sane(seen)) <= (mean := _sane(mean)):
        return 0.0
    return _bounded(_tail(seen, mean, inf if size > _MOST else _sane(size)))


def no_count(mean: float, size: float = inf) -> float:
    """Return -ln P(X = 0) of a negative binomial count, as of :func:`count`."""
    mean, size = _sane(mean), _sane(size)
    return _bounded(mean if mean < size * 1e-9 else size * log1p(mean / size))


def beta_binomial(seen: int, of: int, yes: float, no: float) -> float:
    """Return -ln P(X ≥ seen) of ``of`` trials whose chance is Beta(yes, no), in O(of)."""
    if seen <= 0:
        return 0.0
    if seen > of:
        return MOST_NATS
    yes, no = min(_sane(yes), _SURE), min(_sane(no), _SURE)
    log_term = (
        (lgamma(of + 1) - lgamma(seen + 1) - lgamma(of - seen + 1))
        + (lgamma(seen + yes) + lgamma(of - seen + no) - lgamma(of + yes + no))
        - (lgamma(yes) + lgamma(no) - lgamma(yes + no))
    )
    term = total = 1.0
    for more in range(seen, of):
        term *= (of - more) * (yes + more) / ((more + 1) * (of - more - 1 + no))
        total += term
    return _bounded(-log_term - log(total))


def student_t(t: float, degrees: float) -> float:
    """Return -ln P(T ≥ t) of Student's t, and ln 2 if t is no number."""
    degrees = _sane(degrees)
    if t < 0:
        return _rest(student_t(-t, degrees))
    if not t > 1e-100:
        return log(2)
    t = min(t, 1e100)
    if degrees > _NORMAL and t < 30:
        return -log(erfc(t / sqrt(2)) / 2)
    if t > 1:
        mean = max(degrees / 2 / t / t, _TINY)
        return _bounded(log(2) + _tail(degrees / 2, mean, 0.5))
    return log(2) + _rest(_tail(0.5, max(t * t / 2, _TINY), degrees / 2))


def _tail(a: float, mean: float, b: float, turned: bool = False) -> float:
    """Return -ln I(x; a, b) with x = mean/(mean + b), for a ≥ mean, where b may be infinite."""
    x = mean / (mean + b)
    y = 1 / (1 + mean / b)
    if not turned and y * (a + b + 2) < b + 1:  # then the other tail's fraction is the quick one
        return _rest(_tail(b, a * b / mean, a, turned=True))
    bx = mean / (1 + mean / b)
    if b == inf:
        deviance = _deviance(a, mean)
        log_term = -_stirling(a) - _HALF_LN_2PI - 0.5 * log(a)
    else:
        deviance = _deviance(a, a * x + bx) + _deviance(b, (a + b) * y)
        log_term = (
            _stirling(a + b) - _stirling(a) - _stirling(b) - _HALF_LN_2PI
            + 0.5 * (log(b) - log(a) - log(a + b))
        )  # fmt: skip
    fraction = _fraction(a, x, bx)
    if not 0 < fraction < 1 + _EPSILON:
        # Great counts near their mean are normal, by the root of their deviance.
        root = sqrt(max(deviance, 0.0))
        return -log(erfc(root) / 2) if root < 25 else deviance + log(2 * root * sqrt(pi))
    return deviance - log_term + log(fraction)


def _fraction(a: float, x: float, bx: float) -> float:
    """Return 1 + d1/(1 + d2/(1 + …)) by Lentz' method, or NaN if it comes to no end."""
    c, d = 1.0, 0.0
    value = 1.0
    for step in range(_STEPS):
        two = a + 2 * step
        for term in (
            step * (bx - step * x) / ((two - 1) * two) if step else None,
            -(a + step) / two * (((a + step) * x + bx) / (two + 1)),
        ):
            if term is None:
                continue
            d = 1 / (1 + term * d or _TINY)
            c = 1 + term / c or _TINY
            change = c * d
            value *= change
        if abs(change - 1) < _EPSILON:
            return value
    return nan


def _stirling(n: float) -> float:
    """Return what Stirling's formula lacks of ln Γ(n + 1), for n > 0."""
    if n < 15:
        return lgamma(n + 1) - (n + 0.5) * log(n) + n - _HALF_LN_2PI
    square = n * n
    return (1 / 12 - (1 / 360 - (1 / 1260 - 1 / 1680 / square) / square) / square) / n


def _deviance(x: float, mean: float) -> float:
    """Return x ln(x/mean) + mean - x without the loss of digits where they are near."""
    v = (x - mean) / (x + mean)
    if abs(v) > 0.1:
        return x * log(x / mean) + mean - x
    total, term, square = (x - mean) * v, 2 * x * v, v * v
    for odd in (3, 5, 7, 9, 11, 13, 15):
        term *= square
        total += term / odd
    return total


def _rest(nats: float) -> float:
    """Return -ln(1 - p)."""
    return -log1p(-exp(-max(nats, _EPSILON)))


def _sane(value: float) -> float:
    return min(max(_LEAST, value), _MOST)  # in this order NaN is the least


def _bounded(nats: float) -> float:
    return min(max(nats, 0.0), MOST_NATS) if nats == nats else 0.0
