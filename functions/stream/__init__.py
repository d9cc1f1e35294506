"""The stream service: SSE over the ledger, for many watchers."""
