"""Which hooks wait for an answer about a call; whatever else a product tells is only recorded.

No imports of its own: ``tocsin hook`` reads it before it knows whether it needs anything else.
"""

__all__ = ["ASKING", "asks"]

ASKING = {
    "claude-code": frozenset({"PreToolUse", "PermissionRequest"}),
    "codex": frozenset({"PreToolUse", "PermissionRequest"}),
    "cursor": frozenset(
        {
            "preToolUse",
            "beforeShellExecution",
            "beforeMCPExecution",
            "beforeReadFile",
            "beforeTabFileRead",
        }
    ),
    "gemini-cli": frozenset({"BeforeTool"}),
}
"""By product, the names of the events that are asked about."""


def asks(product: str, event: object) -> bool:
    """Whether an event of a product waits for an answer; one without a name is taken to."""
    return not isinstance(event, str) or event in ASKING[product]
