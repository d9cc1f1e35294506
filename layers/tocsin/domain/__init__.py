"""What Tocsin is about: events, batches, the chain and the ledger. Pure: no I/O, no AWS."""
