"""Tocsin: the real-time, tamper-evident event stream for AI agents."""

__version__ = "0.1.0"
