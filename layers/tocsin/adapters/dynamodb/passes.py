"""Sign-ins and tickets in the state table: ``pass-session#<org>``, ``pass-ticket#<org>`` · digest.

The digest is in hexadecimal. (``session#<org>`` holds the projected sessions of agents.)
"""

from collections.abc import Mapping
from typing import Any, override

from tocsin.adapters.dynamodb._state import StateTable
from tocsin.domain.passes import Kind, Pass
from tocsin.ports import Passes

__all__ = ["DynamoPasses", "partition"]


class DynamoPasses(StateTable, Passes):
    """:class:`~tocsin.ports.Passes` on the state table, which expires them."""

    @override
    def put(self, each: Pass) -> None:
        attributes = {
            "key_id": {"S": each.key_id},
            "expires_at_ms": {"N": str(each.expires_at_ms)},
            "expires_at": {"N": str(each.expires_at_ms // 1000 + 1)},
        }
        self._put(partition(each.kind, each.org), each.digest.hex(), attributes)

    @override
    def get(self, kind: Kind, org: str, digest: bytes) -> Pass | None:
        return _pass(kind, org, digest, self._get(partition(kind, org), digest.hex()))

    @override
    def take(self, kind: Kind, org: str, digest: bytes) -> Pass | None:
        """If the store's answer is lost and the SDK asks again, nobody gets the pass."""
        return _pass(kind, org, digest, self._take(partition(kind, org), digest.hex()))


def partition(kind: Kind, org: str) -> str:
    """Return the partition key; in the state table the stream service may write only to these."""
    return f"pass-{kind}#{org}"


def _pass(kind: Kind, org: str, digest: bytes, item: Mapping[str, Any] | None) -> Pass | None:
    if item is None:
        return None
    return Pass(kind, org, digest, item["key_id"]["S"], int(item["expires_at_ms"]["N"]))
