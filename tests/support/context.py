"""The context that Lambda passes to a handler."""

from aws_lambda_powertools.utilities.typing import LambdaContext


class Context(LambdaContext):
    """A context as a deployed function gets it."""

    def __init__(self, name: str) -> None:
        self._function_name = name
        self._memory_limit_in_mb = 512
        self._invoked_function_arn = f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
        self._aws_request_id = "00000000-0000-0000-0000-000000000000"
