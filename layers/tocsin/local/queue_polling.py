"""Lambda's event source mapping for SQS: receive, invoke, and delete what was done.

As in https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html and
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html: messages that the
function reports as failed, and all of an invocation that failed, become visible again by
themselves when their visibility timeout ends. That is short here, so that nobody waits long for
what a function had that was killed, or the last run: a queue has one poller, which takes no other
message before it has deleted those that are done.
"""

from collections.abc import Mapping, Sequence
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

import orjson
from botocore.exceptions import BotoCoreError, ClientError

from tocsin.local.functions import Receives
from tocsin.local.invoke import Functions

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

__all__ = ["WAIT_SECONDS", "QueuePoller", "failures", "lambda_message"]

# For a message. SQS waits 20 at most; but the emulator does not end before its last wait does, and
# asks itself ten times a second in any case.
WAIT_SECONDS = 1
_OUTAGE_SECONDS = 0.2  # between two tries while SQS can't be reached
_REGION, _ACCOUNT = "us-east-1", "000000000000"


class QueuePoller:
    """The loop of one queue of a function, for a thread that nobody has to wait for."""

    def __init__(
        self, client: "SQSClient", url: str, function: str, receives: Receives, functions: Functions
    ) -> None:
        self._client = client
        self._url = url
        self._arn = f"arn:aws:sqs:{_REGION}:{_ACCOUNT}:{url.rpartition('/')[2]}"
        self._function = function
        self._receives = receives
        self._functions = functions
        self._delivering = Lock()
        self.stopping = Event()
        self.reading = False  # whether the last look at the queue worked
        self._trouble = False  # whether a failure of it was printed

    def run(self) -> None:
        """Go on until ``stopping`` is set; a message that comes after that stays in the queue."""
        while not self.stopping.is_set():
            # The first look does not wait, so that it is known soon whether there is a queue.
            messages = self._receive(WAIT_SECONDS if self.reading else 0)
            with self._delivering:
                if messages and not self.stopping.is_set():
                    self._deliver(messages)
            if not self.reading:
                self.stopping.wait(_OUTAGE_SECONDS)

    def finish(self) -> None:
        """Stop, and return when what is being delivered is: not when a look ends that waits."""
        self.stopping.set()
        with self._delivering:
            pass

    def _receive(self, wait_seconds: int) -> Sequence[Any]:
        try:
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=self._receives.batch_size,
                MessageSystemAttributeNames=["All"],
                WaitTimeSeconds=wait_seconds,
            )
        except (BotoCoreError, ClientError) as error:
            if not self._trouble:
                print(f"the queue can't be read: {error}")
            self.reading, self._trouble = False, True
            return ()
        self.reading, self._trouble = True, False
        return answer.get("Messages", ())

    def _deliver(self, messages: Sequence[Any]) -> None:
        records = [lambda_message(message, self._arn) for message in messages]
        payload = orjson.dumps({"Records": records})
        answer = self._functions.invoke(self._function, payload)
        if answer is None or not answer.succeeded:
            print(f"{self._function} failed on {len(messages)} messages (see its log)")
            return
        failed = failures(answer.payload, {message["MessageId"] for message in messages})
        for message in messages:
            if message["MessageId"] not in failed:
                self._delete(message["ReceiptHandle"])

    def _delete(self, handle: str) -> None:
        try:
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=handle)
        except (BotoCoreError, ClientError) as error:
            print(f"a message can't be deleted and comes again: {error}")


def lambda_message(message: Mapping[str, Any], queue_arn: str) -> dict[str, Any]:
    """Return a message of boto3's ReceiveMessage as Lambda's event has it."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": _REGION,
    }


def failures(payload: bytes, ids: set[str]) -> set[str]:
    """Return which of the messages failed, by a function's answer.

    All, if the answer makes no sense or names a message that was not sent; none, if it is empty.
    """
    try:
        answer: Any = orjson.loads(payload or b"null")
        failed = {each["itemIdentifier"] for each in (answer or {}).get("batchItemFailures") or ()}
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        return ids
    return failed if failed <= ids else ids
