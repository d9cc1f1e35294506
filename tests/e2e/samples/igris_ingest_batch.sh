curl -X POST https://your-igris.fly.dev/api/v1/ingest/raw \
  -H "Authorization: Bearer ig_abc123..." \
  -H "Content-Type: application/json" \
  -d '{
    "events": [
      {
        "type": "completion",
        "toolName": "claude-sonnet-4-20250514",
        "action": "allow",
        "timestamp": "2026-03-19T10:00:00.000Z",
        "metadata": { "tokens": 500 }
      },
      {
        "type": "tool_call",
        "toolName": "search_database",
        "action": "allow",
        "timestamp": "2026-03-19T10:00:01.000Z",
        "metadata": { "resultCount": 42 }
      }
    ]
  }'
