"""Which paths the stream service answers: what reads the log or waits.

The rest is API Gateway's. The patterns are those of the deployed edge (``infra/stacks/edge.py``);
``tests/infra/synth/test_edge.py`` compares the two.
"""

import re
from typing import Final

__all__ = ["STREAMED", "is_streamed"]

STREAMED: Final = (
    "/api/v1/events*",
    "/api/v1/agents/*/events",
    "/v1/events*",
    "/v1/audit/*",
    "/v1/log/*",
    "/api/v1/detection/*",
    "/v1/stream-tickets",
    "/v1/approvals/*/decision",
    "/api/kavach/*",
    "/healthz",
)


def _expression(pattern: str) -> str:
    """Return a pattern of CloudFront's as a regular expression.

    ``*`` is any characters, slashes too, and ``?`` is one; upper and lower case differ:
    https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/DownloadDistValuesCacheBehavior.html
    """
    wild = {"*": ".*", "?": "."}
    return "".join(wild.get(each) or re.escape(each) for each in pattern)


_STREAMED: Final = re.compile("|".join(map(_expression, STREAMED)), re.DOTALL)


def is_streamed(path: str) -> bool:
    """Whether the stream service answers a path, percent-encoded as it was sent."""
    return _STREAMED.fullmatch(path) is not None
