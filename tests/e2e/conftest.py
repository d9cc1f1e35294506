"""The running product, and somebody who uses it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.orgs import NewOrg
from support.product import Product
from support.samples import Visitor


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """``tocsin up``, started once. Tests that use it carry ``xdist_group("product")``."""
    product = Product(tmp_path_factory.mktemp("product") / "home")
    try:
        product.start()
        yield product
    finally:
        product.stop()


@pytest.fixture
def visitor(product: Product, tmp_path: Path) -> Iterator[Visitor]:
    """Somebody with the documents' sample clients and an org of their own."""
    with Visitor(NewOrg(product), tmp_path) as visitor:
        yield visitor
