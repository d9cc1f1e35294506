"""The broker on Valkey: one module for each end, so that a publisher loads no feed."""
