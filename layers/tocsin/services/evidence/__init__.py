"""Evidence: trees over ledgers, checkpoints that are signed of them, an archive, and proofs.

Others import these modules of it, and no other.
"""

__all__ = ["checkpointing", "holding", "proving"]
