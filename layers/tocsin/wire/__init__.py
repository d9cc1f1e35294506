"""The wire formats: bytes in, events out, and back. Pure."""
