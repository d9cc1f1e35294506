"""The ingest function: ``POST /api/v1/ingest/raw``."""
