curl -X POST https://your-igris.fly.dev/api/v1/ingest/raw \
  -H "Authorization: Bearer ig_abc123..." \
  -H "Content-Type: application/json" \
  -d '{
    "type": "tool_call",
    "toolName": "generate_report",
    "action": "allow",
    "timestamp": "2026-03-19T10:00:00.000Z",
    "metadata": {
      "model": "gpt-4o",
      "userId": "user_42",
      "latencyMs": 340
    }
  }'
