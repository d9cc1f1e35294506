"""Stands for AWS's runtime where the one environment for tests does not have it."""
