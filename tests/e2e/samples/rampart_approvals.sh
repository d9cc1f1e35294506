curl -N -H "Authorization: Bearer $TOKEN" \
"http://127.0.0.1:9090/v1/events/stream" | \
while read -r line; do
if echo "$line" | grep -q '"type":"approvals"'; then
echo "Approval queue changed — check dashboard"
fi
done
