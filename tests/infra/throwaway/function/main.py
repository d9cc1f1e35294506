"""Says what it got."""

import json
from typing import Any

from throwaway_layer import GREETING  # type: ignore[import-not-found]


def handler(event: dict[str, Any], context: object) -> str:
    """Greet, and print the keys of stream records."""
    for record in event.get("Records", []):
        print("SEEN", json.dumps(record["dynamodb"]["Keys"]["pk"]["S"]))
    return str(GREETING)
