"""What Tocsin relies on in DynamoDB, on the DynamoDB that LocalStack brings."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from support.localstack import LocalStack


@pytest.fixture(scope="module")
def db(localstack: LocalStack) -> Any:
    return localstack.client("dynamodb")


@pytest.fixture
def table(db: Any) -> Iterator[str]:
    name = f"table-{uuid4().hex[:8]}"
    db.create_table(
        TableName=name,
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
        ],
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )
    db.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    yield name
    db.delete_table(TableName=name)


def key(sk: int, pk: str = "p") -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"N": str(sk)}}


def put(table: str, sk: int, **attributes: Any) -> dict[str, Any]:
    return {
        "TableName": table,
        "Item": key(sk) | attributes,
        "ConditionExpression": "attribute_not_exists(pk)",
    }


def numbers(page: dict[str, Any]) -> list[int]:
    return [int(item["sk"]["N"]) for item in page["Items"]]


def test_the_second_conditional_put_is_refused_and_shown_the_first(db: Any, table: str) -> None:
    db.put_item(**put(table, 1, data={"B": b"\0first"}))
    with pytest.raises(db.exceptions.ConditionalCheckFailedException) as caught:
        db.put_item(**put(table, 1), ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert caught.value.response["Item"]["data"] == {"B": b"\0first"}
    found = db.get_item(TableName=table, Key=key(1), ConsistentRead=True)
    assert found["Item"]["data"] == {"B": b"\0first"}


def test_a_transaction_is_all_or_nothing_and_says_why(db: Any, table: str) -> None:
    db.put_item(**put(table, 2))
    with pytest.raises(db.exceptions.TransactionCanceledException) as caught:
        db.transact_write_items(
            TransactItems=[
                {"Put": put(table, 1)},
                {"Put": put(table, 2) | {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}},
                {"Put": put(table, 3)},
            ]
        )
    reasons = caught.value.response["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == ["None", "ConditionalCheckFailed", "None"]
    assert reasons[1]["Item"] == key(2)
    assert numbers(db.scan(TableName=table)) == [2]


def test_a_transaction_puts_updates_deletes_and_checks(db: Any, table: str) -> None:
    db.put_item(**put(table, 1))
    db.put_item(**put(table, 2))
    db.transact_write_items(
        TransactItems=[
            {"Put": put(table, 3)},
            {"Delete": {"TableName": table, "Key": key(1)}},
            {
                "Update": {
                    "TableName": table,
                    "Key": key(4),
                    "UpdateExpression": "ADD hits :one SET seen = :now",
                    "ExpressionAttributeValues": {":one": {"N": "1"}, ":now": {"S": "now"}},
                }
            },
            {
                "ConditionCheck": {
                    "TableName": table,
                    "Key": key(2),
                    "ConditionExpression": "attribute_exists(pk)",
                }
            },
        ]
    )
    assert numbers(db.query(**everything(table))) == [2, 3, 4]


def test_add_makes_a_binary_set_and_grows_it(db: Any, table: str) -> None:
    for members in ([b"\0a", b"\xffb"], [b"\xffb", b"c"]):
        db.update_item(
            TableName=table,
            Key=key(1),
            UpdateExpression="ADD batches :members",
            ExpressionAttributeValues={":members": {"BS": members}},
        )
    item = db.get_item(TableName=table, Key=key(1), ConsistentRead=True)["Item"]
    assert sorted(item["batches"]["BS"]) == [b"\0a", b"c", b"\xffb"]


def everything(table: str, **more: Any) -> dict[str, Any]:
    return {
        "TableName": table,
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": "p"}},
        "ConsistentRead": True,
    } | more


def test_a_query_goes_both_ways_in_pages(db: Any, table: str) -> None:
    for sk in (10, 9, 100, -1):
        db.put_item(**put(table, sk))
    db.put_item(TableName=table, Item=key(5, "other"))
    assert numbers(db.query(**everything(table))) == [-1, 9, 10, 100]
    page = db.query(**everything(table, ScanIndexForward=False, Limit=1))
    assert numbers(page) == [100]
    rest = everything(table, ScanIndexForward=False, ExclusiveStartKey=page["LastEvaluatedKey"])
    assert numbers(db.query(**rest)) == [10, 9, -1]


def test_a_page_ends_at_about_a_megabyte(db: Any, table: str) -> None:
    for sk in range(5):
        db.put_item(**put(table, sk, data={"B": b"x" * 390_000}))
    page = db.query(**everything(table))
    first = numbers(page)
    assert 2 <= len(first) <= 3
    rest = db.query(**everything(table, ExclusiveStartKey=page["LastEvaluatedKey"]))
    assert first + numbers(rest) == [0, 1, 2, 3, 4][: len(first) + len(numbers(rest))]


def test_batch_get_returns_what_exists(db: Any, table: str) -> None:
    for sk in range(3):
        db.put_item(**put(table, sk))
    keys = [key(sk) for sk in range(100)]
    answer = db.batch_get_item(RequestItems={table: {"Keys": keys, "ConsistentRead": True}})
    assert sorted(int(item["sk"]["N"]) for item in answer["Responses"][table]) == [0, 1, 2]
    assert not answer.get("UnprocessedKeys")


def test_an_item_of_more_than_400_kilobytes_is_refused(db: Any, table: str) -> None:
    with pytest.raises(ClientError, match="Item size"):
        db.put_item(**put(table, 1, data={"B": b"x" * 410_000}))


def test_of_many_writers_at_one_key_one_wins_and_nothing_else_is_lost(db: Any, table: str) -> None:
    def write(writer: int) -> bool:
        db.put_item(**put(table, 1_000 + writer))
        try:
            db.transact_write_items(
                TransactItems=[{"Put": put(table, 1)}, {"Put": put(table, 2_000 + writer)}]
            )
        except db.exceptions.TransactionCanceledException:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(write, range(48)))
    assert won.count(True) == 1
    assert numbers(db.query(**everything(table))) == [
        1,
        *range(1_000, 1_048),
        2_000 + won.index(True),
    ]


def records(streams: Any, iterator: str) -> tuple[list[dict[str, Any]], str]:
    page = streams.get_records(ShardIterator=iterator)
    return page["Records"], page["NextShardIterator"]


def test_the_stream_tells_what_was_committed_and_nothing_else(
    localstack: LocalStack, db: Any, table: str
) -> None:
    streams = localstack.client("dynamodbstreams")
    arn = db.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    described = streams.describe_stream(StreamArn=arn)["StreamDescription"]
    assert described["StreamViewType"] == "NEW_IMAGE"
    iterator = streams.get_shard_iterator(
        StreamArn=arn,
        ShardId=described["Shards"][0]["ShardId"],
        ShardIteratorType="TRIM_HORIZON",
    )["ShardIterator"]
    db.put_item(**put(table, 1, data={"B": b"\0\xff"}))
    found, iterator = records(streams, iterator)
    assert [(each["eventName"], each["dynamodb"]["NewImage"]) for each in found] == [
        ("INSERT", key(1) | {"data": {"B": b"\0\xff"}})
    ]
    with pytest.raises(db.exceptions.TransactionCanceledException):
        db.transact_write_items(TransactItems=[{"Put": put(table, 2)}, {"Put": put(table, 1)}])
    db.put_item(**put(table, 3))
    found, iterator = records(streams, iterator)
    assert [each["dynamodb"]["Keys"] for each in found] == [key(3)]
    db.delete_item(TableName=table, Key=key(3))
    found, _ = records(streams, iterator)
    assert [each["eventName"] for each in found] == ["REMOVE"]
