"""What a call of a model costs, where whoever reports it does not say."""

from tocsin.wire.pricing.estimate import ESTIMATED, estimate

__all__ = ["ESTIMATED", "estimate"]
