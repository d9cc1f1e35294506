"""A linear forecast that is learned as it goes."""

import random

import pytest

from tocsin.domain.detect.regression import Regression


def test_at_first_the_forecast_is_the_first_feature() -> None:
    assert Regression().forecast((3.0, 5.0, 7.0, 9.0)) == 3.0


def test_the_coefficients_are_found_in_noise() -> None:
    draw = random.Random(1)  # noqa: S311
    regression = Regression()
    for _ in range(2_000):
        a, b, _, d = features = (draw.gauss(), draw.gauss(), draw.gauss(), draw.gauss())
        y = 0.5 - a + 2.0 * b + 0.25 * d + draw.gauss(0.0, 0.1)
        regression.learn(features, y - regression.forecast(features), 1.0)
    assert regression.coefficients == pytest.approx([0.5, -1.0, 2.0, 0.0, 0.25], abs=0.03)


def test_what_is_doubted_teaches_little() -> None:
    sure, doubtful = Regression(), Regression()
    for regression, doubt in ((sure, 1.0), (doubtful, 1e6)):
        regression.learn((1.0, 0.0, 0.0, 0.0), 100.0, doubt)
    assert abs(sure.coefficients[1] - 1.0) > 10.0
    assert abs(doubtful.coefficients[1] - 1.0) < 0.001


@pytest.mark.parametrize("features", [(0.0,) * 4, (1.0,) * 4, (1e100, -1e100, 0.0, 1e-100)])
def test_a_flat_line_and_enormous_features_keep_it_sound(
    features: tuple[float, float, float, float],
) -> None:
    regression = Regression()
    for _ in range(20_000):
        regression.learn(features, 0.0, 1.0)
    assert max(map(abs, regression.gain)) < 1e4
    assert regression.forecast((1.0, 1.0, 1.0, 1.0)) == pytest.approx(1.0)
