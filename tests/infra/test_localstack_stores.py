"""The contract of the stores, on the DynamoDB of LocalStack."""

from dataclasses import dataclass
from typing import Any

import pytest

from support.databases import Database, Stores
from support.localstack import LocalStack

_MODULES = (
    "agent_states",
    "approvals",
    "budgets",
    "key_ring",
    "policies",
    "session_states",
    "stores",
)
pytest.register_assert_rewrite(*(f"contract.test_{name}" for name in _MODULES))

from contract.test_agent_states import TestAgentStates  # noqa: E402, F401
from contract.test_approvals import TestApprovals, write  # noqa: E402, F401
from contract.test_key_ring import TestKeyRing  # noqa: E402, F401
from contract.test_policies import TestPolicies  # noqa: E402, F401
from contract.test_session_states import TestSessionStates  # noqa: E402, F401
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
