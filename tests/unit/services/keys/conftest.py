import pytest

from fakes.house import House


@pytest.fixture
def house() -> House:
    return House()
