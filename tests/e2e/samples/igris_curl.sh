curl -N -H "Authorization: Bearer ig_abc123..." \
  https://your-igris.fly.dev/api/v1/events
