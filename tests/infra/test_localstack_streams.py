"""Event source mappings on LocalStack: how a table's stream reaches a function."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from support.functions import Functions
from support.localstack import LocalStack
from support.waiting import until

type Put = Callable[[str], None]

INSERTS = {"Filters": [{"Pattern": json.dumps({"eventName": ["INSERT"]})}]}


@pytest.fixture
def table(localstack: LocalStack) -> Iterator[str]:
    db, name = localstack.client("dynamodb"), f"table-{uuid4().hex[:8]}"
    db.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )
    db.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    yield name
    db.delete_table(TableName=name)


@pytest.fixture
def stream(localstack: LocalStack, table: str) -> str:
    described = localstack.client("dynamodb").describe_table(TableName=table)
    return str(described["Table"]["LatestStreamArn"])


@pytest.fixture
def put(localstack: LocalStack, table: str) -> Put:
    db = localstack.client("dynamodb")
    return lambda pk: db.put_item(TableName=table, Item={"pk": {"S": pk}, "data": {"B": b"\0\xff"}})


def seen(functions: Functions, name: str) -> list[Any]:
    """Return what the function printed as JSON after ``SEEN``."""
    lines = [line.partition("SEEN ")[2] for line in functions.logged(name)]
    return [json.loads(line) for line in lines if line]


def test_inserts_arrive_in_order_and_nothing_else_does(
    localstack: LocalStack, functions: Functions, table: str, stream: str, put: Put
) -> None:
    put("a")
    name = functions.create(
        """
import json

def handler(event, context):
    for record in event["Records"]:
        print("SEEN", json.dumps(record))
"""
    )
    functions.map(name, stream, FilterCriteria=INSERTS, BatchSize=100)
    put("b")
    put("a")
    localstack.client("dynamodb").delete_item(TableName=table, Key={"pk": {"S": "b"}})
    put("c")
    until(lambda: len(seen(functions, name)) >= 3, "three inserts arrive")
    records = seen(functions, name)
    assert [record["dynamodb"]["Keys"]["pk"]["S"] for record in records] == ["a", "b", "c"]
    numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in records]
    assert numbers == sorted(set(numbers))
    first = records[0]
    assert first["eventName"] == "INSERT"
    assert first["eventSource"] == "aws:dynamodb"
    assert first["eventSourceARN"] == stream
    assert first["dynamodb"]["StreamViewType"] == "NEW_IMAGE"
    assert isinstance(first["dynamodb"]["ApproximateCreationDateTime"], int | float)
    assert b64decode(first["dynamodb"]["NewImage"]["data"]["B"]) == b"\0\xff"


PARTIAL = """
import json

failing = {"c"}

def handler(event, context):
    keys = [record["dynamodb"]["Keys"]["pk"]["S"] for record in event["Records"]]
    print("SEEN", json.dumps(keys))
    failed = [
        {"itemIdentifier": record["dynamodb"]["SequenceNumber"]}
        for record in event["Records"]
        if record["dynamodb"]["Keys"]["pk"]["S"] in failing
    ]
    failing.clear()
    return {"batchItemFailures": failed}
"""


def test_a_batch_is_repeated_from_its_first_failed_item(
    functions: Functions, stream: str, put: Put
) -> None:
    for pk in ("a", "b", "c", "d"):
        put(pk)
    name = functions.create(PARTIAL)
    functions.map(name, stream, FunctionResponseTypes=["ReportBatchItemFailures"])
    until(lambda: len(seen(functions, name)) >= 2, "the batch is repeated")
    assert seen(functions, name) == [["a", "b", "c", "d"], ["c", "d"]]
    put("e")
    until(lambda: len(seen(functions, name)) >= 3, "the stream goes on")
    assert seen(functions, name)[2:] == [["e"]]


FAILING_ONCE = """
import json

attempts = 0

def handler(event, context):
    global attempts
    attempts += 1
    keys = [record["dynamodb"]["Keys"]["pk"]["S"] for record in event["Records"]]
    print("SEEN", json.dumps(keys))
    if attempts == 1:
        raise RuntimeError("try again")
"""


def test_a_batch_is_repeated_after_an_error(functions: Functions, stream: str, put: Put) -> None:
    put("a")
    name = functions.create(FAILING_ONCE)
    functions.map(name, stream)
    until(lambda: len(seen(functions, name)) >= 2, "the batch is repeated")
    put("b")
    until(lambda: len(seen(functions, name)) >= 3, "the stream goes on")
    assert seen(functions, name) == [["a"], ["a"], ["b"]]


def test_a_failed_transaction_leaves_the_mapping_working(
    localstack: LocalStack, functions: Functions, table: str, stream: str, put: Put
) -> None:
    db = localstack.client("dynamodb")
    put("a")
    name = functions.create(FAILING_ONCE.replace("attempts == 1", "False"))
    functions.map(name, stream)
    until(lambda: len(seen(functions, name)) == 1, "the first record arrives")
    item = {
        "TableName": table,
        "ConditionExpression": "attribute_not_exists(pk)",
    }
    with pytest.raises(db.exceptions.TransactionCanceledException):
        db.transact_write_items(
            TransactItems=[
                {"Put": item | {"Item": {"pk": {"S": "never"}}}},
                {"Put": item | {"Item": {"pk": {"S": "a"}}}},
            ]
        )
    put("b")
    until(lambda: len(seen(functions, name)) == 2, "the next record arrives")
    assert seen(functions, name) == [["a"], ["b"]]
