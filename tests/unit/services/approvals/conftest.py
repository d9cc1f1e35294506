import pytest

from fakes.desk import Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()
