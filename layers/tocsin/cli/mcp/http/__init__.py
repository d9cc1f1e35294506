"""The relay of MCP servers that speak streamable HTTP."""
