"""The deployables: one folder each, holding a handler and nothing else."""
