"""The relay of an MCP server over stdio, and the record of its tool calls."""
