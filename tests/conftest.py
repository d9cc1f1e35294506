"""What tests of several kinds share."""

import os
from collections.abc import Iterator

import pytest

from support.browser import browser as browser
from support.databases import Database
from support.ministack import dynamodb_server

# What a function finds in its environment; handlers read it when they are imported.
os.environ["POWERTOOLS_METRICS_NAMESPACE"] = "tocsin-test"


@pytest.fixture(scope="session")
def database() -> Iterator[Database]:
    """A real DynamoDB API over HTTP."""
    with dynamodb_server() as server:
        yield Database(server)
