"""The VPC, and Valkey in it."""

from support.templates import Templates


def test_there_is_no_nat_gateway_and_no_endpoint_that_is_paid_for(default: Templates) -> None:
    types = {resource["Type"] for resource in default.of("network").values()}
    assert "AWS::EC2::NatGateway" not in types
    endpoint = default.one("network", "AWS::EC2::VPCEndpoint")
    assert endpoint["VpcEndpointType"] == "Gateway"
    assert len(endpoint["RouteTableIds"]) == 4  # of every subnet


def test_valkey_is_encrypted_and_opened_by_iam_alone(default: Templates) -> None:
    cache = default.one("bus", "AWS::ElastiCache::ServerlessCache")
    assert cache["Engine"] == "valkey"
    assert cache["UserGroupId"]
    for user in default.of("bus", "AWS::ElastiCache::User").values():
        properties = user["Properties"]
        assert properties["AuthenticationMode"] == {"Type": "iam"}
        assert properties["UserId"] == properties["UserName"] == properties["UserId"].lower()
        assert "-@all" in properties["AccessString"]
        assert "~" not in properties["AccessString"]  # no key at all


def test_a_channel_may_be_one_of_a_shard(default: Templates) -> None:
    """Serverless caches speak the cluster's protocol; each command has its twin there.

    https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/SupportedCommands.html
    """
    users = default.of("bus", "AWS::ElastiCache::User").values()
    allowed = [set(user["Properties"]["AccessString"].split()) for user in users]
    for command in ("publish", "subscribe", "unsubscribe"):
        assert [f"+{command}" in words for words in allowed] == [
            f"+s{command}" in words for words in allowed
        ]
    assert set().union(*allowed) >= {"+publish", "+subscribe", "+unsubscribe"}


def test_only_its_clients_reach_valkey(default: Templates) -> None:
    ingress = default.one("bus", "AWS::EC2::SecurityGroupIngress")
    assert ingress["SourceSecurityGroupId"]["Fn::GetAtt"][0].startswith("ValkeyClients")
    assert ingress["FromPort"] == ingress["ToPort"] == 6379


def test_no_secret_is_stored(default: Templates, small: Templates) -> None:
    for templates in (default, small):
        types = {resource["Type"] for _, _, resource in templates.everything()}
        assert not types & {"AWS::SecretsManager::Secret", "AWS::SSM::Parameter"}


def test_the_ledger_as_bus_needs_no_vpc(small: Templates) -> None:
    assert not [type for _, _, type in small.everything() if type["Type"].startswith("AWS::EC2::")]
    assert "network" not in small.by_part
    assert "bus" not in small.by_part
