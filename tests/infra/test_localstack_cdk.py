"""The CDK on LocalStack, with a throwaway application."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.cdk import PYTHON, Cdk, CdkError
from support.functions import Functions
from support.localstack import LocalStack
from support.waiting import until

APP = Path(__file__).parent / "throwaway"


@pytest.fixture(scope="module")
def cdk(bootstrapped: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Cdk:
    return Cdk(bootstrapped, f"{PYTHON} app.py", tmp_path_factory.mktemp("cdk"), APP)


def test_a_stack_is_deployed_works_and_is_destroyed(
    localstack: LocalStack, functions: Functions, cdk: Cdk
) -> None:
    outputs = cdk.deploy()["Throwaway"]
    table, function = outputs["TableName"], outputs["FunctionName"]

    assert functions.invoke(function, {}).payload == "hello from the layer"

    db = localstack.client("dynamodb")
    described = db.describe_table(TableName=table)["Table"]
    assert described["SSEDescription"]["Status"] == "ENABLED"
    ttl = db.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    assert ttl == {"AttributeName": "expires_at", "TimeToLiveStatus": "ENABLED"}

    db.put_item(TableName=table, Item={"pk": {"S": "one"}})
    until(lambda: 'SEEN "one"' in functions.logged(function), "the record arrives")

    assert cdk.synthesised().deploy()["Throwaway"] == outputs
    cdk.destroy()
    assert table not in db.list_tables()["TableNames"]
    with pytest.raises(functions.client.exceptions.ResourceNotFoundException):
        functions.configuration(function)


def test_a_resource_that_localstack_does_not_know_fails_the_deployment(
    localstack: LocalStack, cdk: Cdk
) -> None:
    unknown = replace(cdk, context={"unknown": "1"})
    with pytest.raises(CdkError, match="AWS::Cognito::UserPool"):
        unknown.deploy("Unknown")
    client = localstack.client("cloudformation")
    client.delete_stack(StackName="Unknown")
    until(lambda: _status(client, "Unknown") == {"DELETE_COMPLETE"}, "the stack is gone")


def _status(client: Any, name: str) -> set[str]:
    stacks = client.describe_stacks()["Stacks"]
    return {stack["StackStatus"] for stack in stacks if stack["StackName"] == name}
