"""A linear forecast that is learned as it goes: recursive least squares of five coefficients.

As in Ljung and Söderström 1983, "Theory and Practice of Recursive Identification", with a
forgetting factor, and each value weighted by how far it may be trusted.
"""

from typing import Final

__all__ = ["Regression"]

_FORGET: Final = 0.998  # of the past, with each value
_FIRST: Final = (0.0, 1.0, 0.0, 0.0, 0.0)  # the value before
_PAIRS: Final = tuple((i, j) for i in range(5) for j in range(i, 5))
_UNIT: Final = tuple(float(i == j) for i, j in _PAIRS)
_LARGEST_TRACE: Final = 500.0
_LARGEST: Final = 1e6

type Features = tuple[float, float, float, float]


class Regression:
    """The coefficients of 1 and of four features, and the upper half of their gain's matrix."""

    __slots__ = ("coefficients", "gain")

    def __init__(self) -> None:
        self.coefficients = list(_FIRST)
        self.gain = list(_UNIT)

    def forecast(self, features: Features) -> float:
        """Return what the features lead to."""
        k = self.coefficients
        a, b, c, d = features
        return k[0] + k[1] * a + k[2] * b + k[3] * c + k[4] * d

    def learn(self, features: Features, error: float, doubt: float) -> None:
        """Learn how far off the forecast was; ``doubt`` is 1 over the weight of that."""
        a, b, c, d = features
        g, k = self.gain, self.coefficients
        p = (
            g[0] + g[1] * a + g[2] * b + g[3] * c + g[4] * d,
            g[1] + g[5] * a + g[6] * b + g[7] * c + g[8] * d,
            g[2] + g[6] * a + g[9] * b + g[10] * c + g[11] * d,
            g[3] + g[7] * a + g[10] * b + g[12] * c + g[13] * d,
            g[4] + g[8] * a + g[11] * b + g[13] * c + g[14] * d,
        )
        divisor = _FORGET * doubt + p[0] + p[1] * a + p[2] * b + p[3] * c + p[4] * d
        if divisor > 1e12:
            return  # so far off that it would teach nothing
        trace = g[0] + g[5] + g[9] + g[12] + g[14]
        if not (divisor > 0.0 and trace > 0.0 and max(map(abs, k)) < _LARGEST):
            self.coefficients, self.gain = list(_FIRST), list(_UNIT)
            return
        forget = _FORGET if trace < _LARGEST_TRACE else 1.0  # or it would grow in a flat line
        self.coefficients = [each + error / divisor * q for each, q in zip(k, p, strict=True)]
        self.gain = [
            (each - p[i] * p[j] / divisor) / forget for each, (i, j) in zip(g, _PAIRS, strict=True)
        ]
