"""Where the network's parts are: a zone that lacks one of them fails a deployment half-way."""

import re
from typing import Any

import pytest
from pydantic import ValidationError

from infra import zones
from infra.config import Config
from support.templates import Synthesize, Templates


def _zones(templates: Templates) -> list[Any]:
    """Return each subnet's zone: its id, its name, or what CloudFormation is to look up."""
    found = []
    for subnet in templates.of("network", "AWS::EC2::Subnet").values():
        properties = subnet["Properties"]
        assert len(properties.keys() & {"AvailabilityZone", "AvailabilityZoneId"}) == 1
        found.append(properties.get("AvailabilityZoneId") or properties["AvailabilityZone"])
    return found


def test_the_default_region_names_zones_that_have_everything(default: Templates) -> None:
    """The first two of us-east-1 may include use1-az3, which has no VPC origin and no ARM Fargate.

    https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-vpc-origins.html
    """
    assert sorted(_zones(default)) == ["use1-az2", "use1-az2", "use1-az4", "use1-az4"]


def test_public_and_isolated_subnets_are_in_the_same_two_zones(synthesize: Synthesize) -> None:
    named = synthesize(zones=("us-east-1b", "us-east-1d"), bus="ledger")
    assert sorted(_zones(named)) == ["us-east-1b", "us-east-1b", "us-east-1d", "us-east-1d"]


def test_where_every_zone_will_do_they_are_looked_up(synthesize: Synthesize) -> None:
    found = _zones(synthesize(region="eu-west-1", bus="ledger"))
    assert all("Fn::GetAZs" in str(zone) for zone in found)


def test_no_default_is_unfit_and_each_is_of_its_region() -> None:
    for region, two in zones.DEFAULT.items():
        assert len(set(two)) == 2
        assert not set(two) & zones.UNFIT.keys()
        area, way, number = region.split("-")
        for zone in two:  # us-east-1: use1-az2; ap-northeast-1: apne1-az1
            short = re.sub("(north|south|central)(east|west)", lambda m: m[1][0] + m[2][0], way)
            short = short if len(short) == 2 else short[0]
            assert zone.startswith(f"{area}{short}{number}-az"), zone


@pytest.mark.parametrize(
    ("chosen", "why"),
    [
        ("use1-az3,use1-az2", "private-content-vpc-origins"),
        ("use1-az2", "zones are two"),
        ("use1-az2,use1-az2", "zones are two"),
        ("use1-az2,use1-az4,use1-az6", "zones are two"),
        ("us-west-2a,us-west-2b", "not in us-east-1"),
        ("Use1-az2,use1-az4", "zones"),
    ],
)
def test_zones_that_can_not_be_used_are_refused_before_anything_is_made(
    chosen: str, why: str
) -> None:
    with pytest.raises(ValidationError, match=why):
        Config.from_context({"zones": chosen})
