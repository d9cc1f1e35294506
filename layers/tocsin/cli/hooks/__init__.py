"""Hooks of coding agents on this machine: the command that they run, and what sets them up."""
