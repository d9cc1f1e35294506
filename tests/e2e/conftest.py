"""The running product, and somebody who uses it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.asgi import served
from support.orgs import NewOrg
from support.pages import blank_page
from support.product import Product
from support.samples import Visitor


@pytest.fixture(scope="package")
def allowed_origin() -> Iterator[str]:
    """The site of empty pages whose scripts may call the product."""
    with served(blank_page) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="package")  # idle, it would go on to take a tenth of a core
def product(tmp_path_factory: pytest.TempPathFactory, allowed_origin: str) -> Iterator[Product]:
    """``tocsin up``, started once. Tests that use it carry ``xdist_group("product")``."""
    home = tmp_path_factory.mktemp("product") / "home"
    product = Product(home, env={"TOCSIN_ALLOWED_ORIGINS": json.dumps([allowed_origin])})
    try:
        product.start()
        yield product
        assert product.stop() == 0
    finally:
        product.stop()


@pytest.fixture
def visitor(product: Product, tmp_path: Path) -> Iterator[Visitor]:
    """Somebody with the documents' sample clients and an org of their own."""
    with Visitor(NewOrg(product), tmp_path) as visitor:
        yield visitor
