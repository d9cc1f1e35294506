"""The LocalStack that the stacks are deployed to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cdk import Cdk
from support.functions import Functions
from support.localstack import LocalStack
from support.localstack import localstack as a_localstack


@pytest.hookimpl(tryfirst=True)  # xdist looks at the marks in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep all tests that use it in one worker, so that only one is started."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.xdist_group("localstack"))


@pytest.fixture(scope="session")
def localstack(request: pytest.FixtureRequest) -> Iterator[LocalStack]:
    """A LocalStack, started once; the run's output says which."""
    with a_localstack() as server:
        reporter = request.config.pluginmanager.get_plugin("terminalreporter")
        if reporter:
            reporter.write_line(f"tests/infra on {server.which}")
        yield server


@pytest.fixture(scope="session")
def bootstrapped(localstack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> LocalStack:
    """The LocalStack, prepared for deployments."""
    Cdk(localstack, "", tmp_path_factory.mktemp("bootstrap")).bootstrap()
    return localstack


@pytest.fixture
def functions(localstack: LocalStack) -> Iterator[Functions]:
    """Functions that are gone after the test."""
    made = Functions(localstack)
    yield made
    made.remove()
