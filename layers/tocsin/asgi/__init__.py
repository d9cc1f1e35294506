"""What the HTTP services and the library share of ASGI; no framework."""
