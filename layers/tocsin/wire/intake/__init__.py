"""What comes in: each format ends in the same :class:`~tocsin.wire.intake.raw.RawRequest`."""
