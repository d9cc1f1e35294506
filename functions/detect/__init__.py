"""The detect function, on the ledger's stream and by schedule."""
