"""Events of which anything may be true that ingestion lets through."""

from typing import Final

from hypothesis import strategies as st

from support.notified import sealed
from tocsin.domain.segment import SealedEvent

__all__ = ["ANY_EVENT"]

_NAMES = (
    *("agent_id", "tool_name", "session_id", "user_id", "action", "status", "anomaly_type"),
    *("request", "decision", "data", "metadata", "source", "server_id", "trace_id", "span_id"),
    *("run_id", "source_id", "received_at", "tool_call_id", "provider", "count"),
)
_INNER = (
    *("approval_id", "anomaly_id", "budget_id", "period_id", "expires_at", "message", "reason"),
    *("evidence", "seen", "expected", "since", "description", "limits", "used", "status"),
    *("command", "path", "input", "cwd", "resolved_by", "type", "endpoint_id"),
)
_PLAIN = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20)
_VALUES = st.recursive(
    _PLAIN | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(_INNER) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=12,
)
_TYPES = (
    *("tool_call", "completion", "anomaly", "audit", "cost.recorded", "session_update"),
    *("approval.created", "approval.reminder", "approval.resolved", "approval.expired"),
    *("approval.resolved_in_bulk", "approval.linked", "budget.exceeded", "auth.failed"),
    *("tocsin.anomaly_reviewed", "tocsin.endpoint_test", "tocsin.key_created", "vendor.x"),
)

ANY_EVENT: Final[st.SearchStrategy[SealedEvent]] = st.builds(
    lambda type, fields: sealed(type=type, **fields),
    st.sampled_from(_TYPES),
    st.dictionaries(st.sampled_from(_NAMES), _VALUES, max_size=8),
)
