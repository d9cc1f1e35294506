"""The contract of the stores, on the DynamoDB of LocalStack."""

from dataclasses import dataclass
from typing import Any

import pytest

from support.databases import Database, Stores
from support.localstack import LocalStack

pytest.register_assert_rewrite("contract.test_stores")

from contract.test_stores import (  # noqa: E402, F401
    TestJournal,
    TestLedger,
    TestProjections,
    TestState,
)


@dataclass(frozen=True)
class Server:
    """LocalStack's DynamoDB alone."""

    localstack: LocalStack

    @property
    def env(self) -> dict[str, str]:
        return self.localstack.env

    def client(self) -> Any:
        return self.localstack.client("dynamodb")


@pytest.fixture
def on(localstack: LocalStack) -> Stores:
    server: Any = Server(localstack)
    return Database(server).stores()[0]
