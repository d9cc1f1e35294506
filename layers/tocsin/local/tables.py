"""The three tables, as the deployed stack has them."""

from typing import TYPE_CHECKING, Literal

from tocsin.settings import StoreSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["TTL_ATTRIBUTE", "create"]

TTL_ATTRIBUTE = "expires_at"

type _Key = tuple[str, Literal["S", "N"]]


def create(client: "DynamoDBClient", settings: StoreSettings) -> None:
    """Create what is missing of the three tables; what is there stays as it is."""
    _create(client, settings.state_table, ("pk", "S"), ("sk", "S"), stream=False, ttl=True)
    _create(client, settings.ledger_table, ("pk", "S"), ("sk", "N"), stream=True, ttl=False)
    # Last: readers of its stream may rely on the others.
    _create(client, settings.journal_table, ("org", "S"), ("batch", "S"), stream=True, ttl=True)


def _create(
    client: "DynamoDBClient",
    name: str,
    partition: _Key,
    sort: _Key,
    *,
    stream: bool,
    ttl: bool,
) -> None:
    try:
        client.create_table(
            TableName=name,
            AttributeDefinitions=[
                {"AttributeName": attribute, "AttributeType": kind}
                for attribute, kind in (partition, sort)
            ],
            KeySchema=[
                {"AttributeName": partition[0], "KeyType": "HASH"},
                {"AttributeName": sort[0], "KeyType": "RANGE"},
            ],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification=(
                {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
                if stream
                else {"StreamEnabled": False}
            ),
        )
    except client.exceptions.ResourceInUseException:
        pass
    else:
        client.get_waiter("table_exists").wait(TableName=name)
    if ttl:
        described = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        if described.get("TimeToLiveStatus") not in ("ENABLED", "ENABLING"):
            client.update_time_to_live(
                TableName=name,
                TimeToLiveSpecification={"Enabled": True, "AttributeName": TTL_ATTRIBUTE},
            )
