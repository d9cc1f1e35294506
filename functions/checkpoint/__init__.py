"""Checkpoints, on a schedule."""
