"""The fan-out function, on the journal's stream."""
