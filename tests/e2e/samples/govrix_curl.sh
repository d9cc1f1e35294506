curl -N \
-H "Authorization: Bearer $GOVRIX_API_KEY" \
-H "Accept: text/event-stream" \
http://localhost:4001/api/v1/events/stream
