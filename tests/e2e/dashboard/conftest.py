"""A running product and a browser, both started once, for the dashboard's tests."""

from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.async_api import Browser

from support.browser import chromium
from support.dashboard import AXE, Visit, visit
from support.orgs import NewOrg
from support.product import Product
from tocsin.domain.keys import Scope


@pytest.fixture(scope="package")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="package")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """``tocsin up``, started once. Tests that use it carry ``xdist_group("dashboard")``."""
    assert AXE.is_file(), "the dashboard's packages are missing: `make build/dashboard/index.html`"
    product = Product(tmp_path_factory.mktemp("dashboard") / "home")
    try:
        product.start()
        yield product
        assert product.stop() == 0
    finally:
        product.stop()


@pytest.fixture(scope="package")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all: each visit has a context of its own."""
    async with chromium() as running:
        yield running


@pytest.fixture
def org(product: Product) -> NewOrg:
    """An org of the test's own."""
    return NewOrg(product)


@pytest.fixture
def key(org: NewOrg) -> str:
    """A key of the org for a person: it reads and approves."""
    return org.new_key(Scope.READ, Scope.APPROVE, person="maria@example.com")


@pytest.fixture
async def visitor(browser: Browser, product: Product, key: str) -> AsyncIterator[Visit]:
    """Somebody who is signed in to the org, in a context of their own, at the live feed."""
    async with visit(browser, product.url) as opened:
        await opened.sign_in(key)
        yield opened
