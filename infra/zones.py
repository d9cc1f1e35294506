"""Which zones of a region have all that the network's parts need.

A zone's id (``use1-az4``) names the same place in every account; what its name (``us-east-1a``)
stands for differs: https://docs.aws.amazon.com/ram/latest/userguide/working-with-az-ids.html
"""

import re
from collections.abc import Mapping

__all__ = ["DEFAULT", "UNFIT", "is_id"]

_VPC_ORIGINS = (
    "CloudFront's VPC origins are not there: https://docs.aws.amazon.com/AmazonCloudFront/latest/"
    "DeveloperGuide/private-content-vpc-origins.html"
)
_FARGATE = (
    "Fargate is not there: "
    "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/AWS_Fargate-Regions.html"
)

# Zones that are refused, and why.
UNFIT: Mapping[str, str] = {
    "use1-az3": f"{_VPC_ORIGINS}. It has no ARM for Fargate either",
    "usw1-az2": _FARGATE,
    "apne1-az3": _FARGATE,
}

# Where the first two of an account may be unfit: two that have everything. (Of ``cac1-az3`` and
# ``apne2-az1`` it is said that they lack VPC origins; they are not refused, but avoided.)
DEFAULT: Mapping[str, tuple[str, str]] = {
    "us-east-1": ("use1-az2", "use1-az4"),
    "us-west-1": ("usw1-az1", "usw1-az3"),
    "ca-central-1": ("cac1-az1", "cac1-az2"),
    "ap-northeast-1": ("apne1-az1", "apne1-az4"),
    "ap-northeast-2": ("apne2-az2", "apne2-az3"),
}


def is_id(zone: str) -> bool:
    """Whether it is a zone's id and not its name."""
    return re.fullmatch(r"[a-z]+[0-9]+-az[0-9]+", zone) is not None
