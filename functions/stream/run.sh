#!/bin/sh
# Starts the stream service: the handler "functions/stream/run.sh" of a Lambda function with the
# Web Adapter's layer, which passes requests on to the port.
set -eu
cd -- "$(dirname -- "$0")/../.."
# Lambda's own bootstrap, which knows where the layers are, does not run under the adapter.
export PYTHONPATH="/opt/python${PYTHONPATH:+:$PYTHONPATH}"
exec python3 -m uvicorn functions.stream.app:app --port "${AWS_LWA_PORT:-8080}" \
    --ws none --no-access-log --no-server-header --timeout-graceful-shutdown 10
