"""The project function, on the ledger's stream."""
