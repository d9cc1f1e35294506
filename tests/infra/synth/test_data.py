"""The tables: what must not be lost."""

import pytest

from support.templates import Templates

TABLES = {
    "Journal": (["org", "batch"], "SS", True, True),
    "Ledger": (["pk", "sk"], "SN", True, False),
    "State": (["pk", "sk"], "SS", False, True),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_as_the_adapters_expect_them(default: Templates, name: str) -> None:
    keys, types, stream, ttl = TABLES[name]
    table = default.one("data", "AWS::DynamoDB::Table", f"Tables{name}")
    assert [key["AttributeName"] for key in table["KeySchema"]] == keys
    assert [key["KeyType"] for key in table["KeySchema"]] == ["HASH", "RANGE"]
    declared = {
        each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]
    }
    assert "".join(declared[key] for key in keys) == types
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table.get("StreamSpecification") == ({"StreamViewType": "NEW_IMAGE"} if stream else None)
    expiry = {"AttributeName": "expires_at", "Enabled": True} if ttl else None
    assert table.get("TimeToLiveSpecification") == expiry


def test_tables_can_be_restored_and_outlive_their_stack(default: Templates) -> None:
    for table in default.of("data", "AWS::DynamoDB::Table").values():
        assert table["Properties"]["PointInTimeRecoverySpecification"] == {
            "PointInTimeRecoveryEnabled": True
        }
        assert table["Properties"]["DeletionProtectionEnabled"] is True
        assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain"


def test_tables_go_with_their_stack_when_that_is_chosen(localstack: Templates) -> None:
    for table in localstack.of("data", "AWS::DynamoDB::Table").values():
        assert table["Properties"]["DeletionProtectionEnabled"] is False
        assert table["DeletionPolicy"] == "Delete"
