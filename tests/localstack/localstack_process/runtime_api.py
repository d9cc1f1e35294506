"""The Lambda Runtime API of one process, on the loopback.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
from collections.abc import Iterable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

from werkzeug import Request, Response
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.serving import WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["Answer", "Invocation", "RuntimeApi"]

_ROUTES = Map(
    [
        Rule("/2018-06-01/runtime/init/error", endpoint="init_error", methods=["POST"]),
        Rule("/2018-06-01/runtime/invocation/next", endpoint="next", methods=["GET"]),
        Rule("/2018-06-01/runtime/invocation/<id>/response", endpoint="response", methods=["POST"]),
        Rule("/2018-06-01/runtime/invocation/<id>/error", endpoint="error", methods=["POST"]),
    ]
)
_STOP_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Invocation:
    """What the runtime is asked to do."""

    request_id: str
    function_arn: str
    trace_id: str
    deadline_ms: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON value, or a JSON object with an ``errorType`` and an ``errorMessage``."""

    payload: bytes
    is_error: bool
    fault: str | None = None  # the type of an error that Lambda itself gives, not the function

    @classmethod
    def of_fault(cls, kind: str, message: str) -> "Answer":
        """Return an error that Lambda itself gives."""
        error = {"errorType": kind, "errorMessage": message}
        return cls(json.dumps(error).encode(), is_error=True, fault=kind)


class RuntimeApi:
    """Hands one invocation at a time to the runtime, and its answer back."""

    def __init__(self, max_response_bytes: int) -> None:
        """Listen on a free port until :meth:`end`."""
        self.initialized: Future[Answer | None] = Future()  # an answer if it failed
        self._max_response_bytes = max_response_bytes
        self._next: SimpleQueue[Invocation | None] = SimpleQueue()
        self._current: tuple[str, Future[Answer]] = ("", Future())
        self._end: Answer | None = None
        self._server = make_server(
            "127.0.0.1", 0, self._serve, threaded=True, request_handler=_Silent
        )
        Thread(target=self._server.serve_forever, args=(_STOP_POLL_SECONDS,), daemon=True).start()

    @property
    def address(self) -> str:
        """Return host and port, as ``AWS_LAMBDA_RUNTIME_API`` has it."""
        return f"127.0.0.1:{self._server.server_port}"

    def invoke(self, invocation: Invocation) -> Future[Answer]:
        """Hand an invocation to the runtime, which has answered the one before."""
        answer: Future[Answer] = Future()
        self._current = (invocation.request_id, answer)
        self._next.put(invocation)
        if self._end:
            _settle(answer, self._end)
        return answer

    def end(self, error: Answer) -> None:
        """Stop listening, and answer whoever waits or will wait."""
        self._end = error
        _settle(self.initialized, error)
        _settle(self._current[1], error)
        self._next.put(None)
        self._server.shutdown()

    def _serve(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        try:
            response = self._respond(Request(environ))
        except HTTPException as error:
            response = _status(error.code or 500, error.name)
        return response(environ, start_response)

    def _respond(self, request: Request) -> Response:
        endpoint, values = _ROUTES.bind_to_environ(request.environ).match()
        match endpoint:
            case "next":
                return self._hand_out()
            case "init_error":
                _settle(self.initialized, Answer(request.get_data(), is_error=True))
                return _status(202, "OK")
            case _:
                return self._take(values["id"], request.get_data(), endpoint == "error")

    def _hand_out(self) -> Response:
        _settle(self.initialized, None)
        invocation = self._next.get()
        if invocation is None:
            return _status(500, "the environment is shutting down")
        return Response(
            invocation.payload,
            headers={
                "Content-Type": "application/json",
                "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
                "Lambda-Runtime-Invoked-Function-Arn": invocation.function_arn,
                "Lambda-Runtime-Trace-Id": invocation.trace_id,
            },
        )

    def _take(self, request_id: str, payload: bytes, is_error: bool) -> Response:
        current, answer = self._current
        if current != request_id:
            return _status(400, "this is not the invocation that is running")
        if len(payload) <= self._max_response_bytes:
            _settle(answer, Answer(payload, is_error))
            return _status(202, "OK")
        message = (
            "Response payload size exceeded maximum allowed payload size "
            f"({self._max_response_bytes} bytes)."
        )
        _settle(answer, Answer.of_fault("Function.ResponseSizeTooLarge", message))
        return _status(413, message)


class _Silent(WSGIRequestHandler):
    disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement

    def log(self, type: str, message: str, *args: object) -> None:
        """Log nothing: the function's output is what is of interest."""


def _status(code: int, text: str) -> Response:
    return Response(json.dumps({"status": text}), code, content_type="application/json")


def _settle[T](future: Future[T], value: T) -> None:
    """Set a result that another thread may have set before."""
    with suppress(InvalidStateError):
        future.set_result(value)
