"""What comes in: each format ends in :func:`tocsin.wire.intake.incoming.read`."""
