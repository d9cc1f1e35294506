"""A Lambda host: serves the deployed handlers through Lambda's own Invoke API.

``python -m tocsin.local.host PATH PROCESS`` imports ``functions.NAME.handler`` for each function of
the process (:mod:`~tocsin.local.functions`), listens on the unix socket PATH and answers
``GET /health`` and, as Lambda does,
``POST /2015-03-31/functions/NAME/invocations`` (a synchronous invocation:
https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html).
"""

import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import import_module

import orjson
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tocsin.local.environment import MAX_PAYLOAD_BYTES, Environment, Function
from tocsin.local.functions import LocalFunction, hosted
from tocsin.local.serve import serve

__all__ = ["application", "load"]

TIMED_OUT = 70  # the exit status of an environment whose handler did not end in time


def load(functions: Sequence[LocalFunction]) -> dict[str, Function]:
    """Import the functions' handlers; the first gives the process its Lambda name."""
    os.environ |= {
        "AWS_LAMBDA_FUNCTION_NAME": functions[0].name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    }
    loaded = {}
    for each in functions:
        os.environ["POWERTOOLS_SERVICE_NAME"] = each.name  # read when the handler is imported
        handler = import_module(f"functions.{each.name}.handler").handler
        loaded[each.name] = Function(each.name, handler, each.timeout_seconds, each.memory_mb)
    return loaded


def application(
    functions: Mapping[str, Function],
    discard: Callable[[], Awaitable[None]],
    at_once: int = 1,
) -> Starlette:
    """Return the Invoke API; ``discard`` ends the process when its environment is spent."""
    environment = Environment(functions, at_once)

    async def invoke(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in functions:
            return _error(404, "ResourceNotFoundException", f"Function not found: {name}")
        try:
            body = await request.body()
        except ClientDisconnect:
            return Response(status_code=400)
        if len(body) > MAX_PAYLOAD_BYTES:
            message = f"{len(body)} bytes exceed the limit of {MAX_PAYLOAD_BYTES} bytes"
            return _error(413, "RequestTooLargeException", message)
        try:
            event = orjson.loads(body or b"{}")
        except orjson.JSONDecodeError as error:
            return _error(400, "InvalidRequestContentException", f"not JSON: {error}")
        outcome = await environment.invoke(name, event)
        return Response(
            outcome.payload,
            media_type="application/json",
            headers={
                "X-Amzn-RequestId": outcome.request_id,
                "X-Amz-Executed-Version": "$LATEST",
                **({"X-Amz-Function-Error": "Unhandled"} if outcome.failed else {}),
            },
            background=BackgroundTask(discard) if outcome.spent else None,
        )

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    return Starlette(
        routes=[
            Route("/health", health),
            Route("/2015-03-31/functions/{name}/invocations", invoke, methods=["POST"]),
        ]
    )


def _error(status: int, kind: str, message: str) -> Response:
    return JSONResponse({"Message": message}, status, headers={"X-Amzn-ErrorType": kind})


async def _exit() -> None:
    os._exit(TIMED_OUT)  # its thread can't be ended otherwise; the supervisor restarts the process


if __name__ == "__main__":
    functions = hosted(sys.argv[2])
    graceful_seconds = max(each.timeout_seconds for each in functions)
    at_once = min(each.at_once_here for each in functions)
    serve(application(load(functions), _exit, at_once), sys.argv[1], graceful_seconds)
