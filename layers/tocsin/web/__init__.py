"""What the HTTP services share on Starlette: credentials, CORS, signing in."""
