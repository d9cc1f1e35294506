"""What tests of several kinds share."""

from collections.abc import Iterator

import pytest

from support.databases import Database
from support.ministack import dynamodb_server


@pytest.fixture(scope="session")
def database() -> Iterator[Database]:
    """A real DynamoDB API over HTTP."""
    with dynamodb_server() as server:
        yield Database(server)
