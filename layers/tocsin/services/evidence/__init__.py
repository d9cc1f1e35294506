"""Evidence: trees over ledgers, checkpoints that are signed of them, and proofs."""
