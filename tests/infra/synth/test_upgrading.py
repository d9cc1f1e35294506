"""An environment that is deployed already keeps what is in it.

``deployed.json`` is what stood there before endpoints were made. A resource that gets another id is
another resource; one that changes in these properties is replaced by another:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-update-behaviors.html
"""

import json
from pathlib import Path
from typing import Any

import pytest

from support.templates import Templates

DEPLOYED: dict[str, Any] = json.loads(Path(__file__).with_name("deployed.json").read_bytes())
REPLACING = {
    "AWS::DynamoDB::Table": {"KeySchema", "TableName"},
    "AWS::EC2::Subnet": {"AvailabilityZone", "AvailabilityZoneId", "CidrBlock", "VpcId"},
    "AWS::EC2::VPC": {"CidrBlock"},
    "AWS::ElastiCache::ServerlessCache": {"KmsKeyId", "ServerlessCacheName", "SubnetIds"},
    "AWS::Lambda::EventSourceMapping": {"EventSourceArn", "StartingPosition"},
    "AWS::SQS::Queue": {"FifoQueue", "QueueName"},
}


@pytest.mark.parametrize("part", DEPLOYED)
def test_nothing_that_holds_something_is_replaced(default: Templates, part: str) -> None:
    resources = default.of(part)
    for id, before in DEPLOYED[part]["resources"].items():
        now, replacing = resources[id], REPLACING[before["Type"]]
        assert now["Type"] == before["Type"]
        kept = {name: value for name, value in now["Properties"].items() if name in replacing}
        assert kept == before["Properties"], id


def test_every_kind_that_holds_something_is_looked_at() -> None:
    kept = [each for part in DEPLOYED.values() for each in part["resources"].values()]
    found = {each["Type"] for each in kept}
    assert found == REPLACING.keys()


@pytest.mark.parametrize("part", DEPLOYED)
def test_nothing_that_deployed_stacks_import_is_withdrawn(default: Templates, part: str) -> None:
    """Stacks are updated one after the other, and CloudFormation keeps exports that are in use."""
    outputs = default.by_part[part].get("Outputs", {}).values()
    exports = {output["Export"]["Name"] for output in outputs if "Export" in output}
    assert exports >= set(DEPLOYED[part]["exports"])
