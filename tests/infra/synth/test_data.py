"""The tables: what must not be lost."""

import json

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


def test_the_key_signs_and_outlives_its_stack(default: Templates) -> None:
    key = default.one("data", "AWS::KMS::Key")
    assert (key["KeySpec"], key["KeyUsage"]) == ("ECC_NIST_EDWARDS25519", "SIGN_VERIFY")
    assert "EnableKeyRotation" not in key  # which asymmetric keys can't have
    [resource] = default.of("data", "AWS::KMS::Key").values()
    assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"


def test_the_key_goes_a_month_after_its_stack_when_that_is_chosen(localstack: Templates) -> None:
    [resource] = localstack.of("data", "AWS::KMS::Key").values()
    assert resource["DeletionPolicy"] == "Delete"
    assert resource["Properties"]["PendingWindowInDays"] == 30


def test_the_key_is_exported_whether_it_signs_or_not(
    default: Templates, telling: Templates
) -> None:
    for templates in (default, telling):
        values = [
            json.dumps(output["Value"])
            for output in templates.by_part["data"]["Outputs"].values()
            if "Export" in output
        ]
        [key] = templates.of("data", "AWS::KMS::Key")
        assert json.dumps({"Fn::GetAtt": [key, "Arn"]}) in values


def test_tables_go_with_their_stack_when_that_is_chosen(localstack: Templates) -> None:
    for table in localstack.of("data", "AWS::DynamoDB::Table").values():
        assert table["Properties"]["DeletionProtectionEnabled"] is False
        assert table["DeletionPolicy"] == "Delete"
