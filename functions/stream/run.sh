#!/bin/sh
# Starts the stream service on PORT: the handler "functions/stream/run.sh" of a Lambda function
# with the Web Adapter's layer, and just as well a container's command (with UVICORN_HOST=0.0.0.0).
set -eu
cd -- "$(dirname -- "$0")/../.."
# Lambda's own bootstrap, which knows where the layers are, does not run under the adapter.
export PYTHONPATH="/opt/python${PYTHONPATH:+:$PYTHONPATH}"
exec python -m uvicorn functions.stream.app:app --port "${PORT:-8080}" \
    --ws none --no-access-log --no-server-header --timeout-graceful-shutdown 10
