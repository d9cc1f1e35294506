"""The running product."""

from collections.abc import Iterator

import pytest

from support.product import Product


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """``tocsin up``, started once. Tests that use it carry ``xdist_group("product")``."""
    product = Product(tmp_path_factory.mktemp("product") / "home")
    try:
        product.start()
        yield product
    finally:
        product.stop()
