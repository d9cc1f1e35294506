"""Speaks the Runtime API as AWS's runtime does; the handler is ``module.function``."""

import http.client
import importlib
import json
import os
import sys
import traceback
from typing import Any

API = "/2018-06-01/runtime"


def call(method: str, path: str, body: bytes | None = None) -> tuple[dict[str, str], bytes]:
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    chunks = None if body is None else (body[at : at + 1_000] for at in range(0, len(body), 1_000))
    connection.request(method, API + path, chunks, encode_chunked=True)
    answer = connection.getresponse()
    content = answer.read()
    if answer.status >= 300:
        sys.exit(f"{path}: {answer.status} {content.decode()}")
    return dict(answer.headers), content


def described(error: Exception) -> bytes:
    return json.dumps({"errorType": type(error).__name__, "errorMessage": str(error)}).encode()


def main() -> None:
    module, _, name = sys.argv[1].rpartition(".")
    try:
        handler: Any = getattr(importlib.import_module(module), name)
    except Exception as error:  # whatever the function raises
        traceback.print_exc()
        call("POST", "/init/error", described(error))
        sys.exit(1)
    while True:
        headers, event = call("GET", "/invocation/next")
        path = f"/invocation/{headers['Lambda-Runtime-Aws-Request-Id']}"
        try:
            result = json.dumps(handler(json.loads(event), headers)).encode()
        except Exception as error:
            call("POST", f"{path}/error", described(error))
        else:
            call("POST", f"{path}/response", result)


if __name__ == "__main__":
    main()
