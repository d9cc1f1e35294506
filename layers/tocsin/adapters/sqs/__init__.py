"""Messages of SQS queues that have somebody look at something: a module for each kind.

A message is a few bytes of JSON that name what to look at. It may come twice, and out of order.
"""

from tocsin.adapters.sqs._calls import MAX_DELAY_SECONDS, client
from tocsin.adapters.sqs.tails import SqsTails, tail
from tocsin.adapters.sqs.timers import SqsTimers, Woken, delay_seconds, woken
from tocsin.adapters.sqs.wakes import SqsWakes, Wake, wake

__all__ = [
    "MAX_DELAY_SECONDS",
    "SqsTails",
    "SqsTimers",
    "SqsWakes",
    "Wake",
    "Woken",
    "client",
    "delay_seconds",
    "tail",
    "wake",
    "woken",
]
