"""What the stream service and the library share of ASGI; no framework."""
