"""What each deployable reads from its environment; only ``bootstrap`` reads these."""

from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["FanoutSettings", "IngestSettings", "StoreSettings", "StreamSettings"]


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="TOCSIN_", frozen=True)


class StoreSettings(_Settings):
    """The three tables, which everything needs.

    The AWS SDK's own variables (``AWS_REGION``, ``AWS_ENDPOINT_URL`` …) say where they are.
    """

    journal_table: str
    ledger_table: str
    state_table: str


class IngestSettings(StoreSettings):
    """The ingest function."""

    retention_days: int = 90


class FanoutSettings(StoreSettings):
    """The fan-out function and the sweeper. Without ``valkey_url`` nothing is published."""

    valkey_url: str | None = None


class StreamSettings(StoreSettings):
    """The stream service. Without ``valkey_url`` it looks at the ledger's head instead."""

    valkey_url: str | None = None
    keepalive_seconds: float = 15.0
    look_seconds: float = 5.0
    ring_events: int = 4_096
    retention_days: int = 90
