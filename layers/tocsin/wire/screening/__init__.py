"""What of an event's text must not be stored: credentials and personal data, found and masked."""

from tocsin.wire.screening.screen import MASKED, masked, screen

__all__ = ["MASKED", "masked", "screen"]
