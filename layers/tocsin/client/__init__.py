"""Send events to Tocsin and watch them, from Python.

>>> from tocsin.client import Client
>>> with Client("http://127.0.0.1:8484", api_key) as tocsin:  # doctest: +SKIP
...     tocsin.send([{"type": "tool_call", "toolName": "search", "action": "allow"}])
...     for event in tocsin.stream(after=0):
...         print(event.seq, event.tool_name, event.action)

``emit`` is for callers that must not wait, ``replay`` for events of the past, ``verify`` for proof;
``ask`` and ``decision`` let a person decide about a call. Sessions, agents, budgets, policies,
keys and webhooks have methods of their own, and ``call`` is for any other route.
:class:`AsyncClient` has the same methods for asyncio. Errors are httpx's, or derive from them.
"""

from tocsin.client._agents import Agent, AgentOptions
from tocsin.client._anomalies import Anomaly
from tocsin.client._approvals import Approval, ApprovalLinks, AskOptions
from tocsin.client._async import AsyncClient
from tocsin.client._backoff import Backoff
from tocsin.client._budgets import Budget, BudgetOptions
from tocsin.client._errors import (
    ApiError,
    BadEnvironment,
    Gap,
    GivenUp,
    Rejected,
    StreamError,
)
from tocsin.client._events import Event
from tocsin.client._keys import Key, KeyOptions
from tocsin.client._policies import Policies
from tocsin.client._requests import Filters
from tocsin.client._result import Place, Rejection, SendResult
from tocsin.client._sessions import Session
from tocsin.client._sync import Client
from tocsin.client._verifying import Verified
from tocsin.client._webhooks import Delivery, Webhook, WebhookOptions

__all__ = [
    "Agent",
    "AgentOptions",
    "Anomaly",
    "ApiError",
    "Approval",
    "ApprovalLinks",
    "AskOptions",
    "AsyncClient",
    "Backoff",
    "BadEnvironment",
    "Budget",
    "BudgetOptions",
    "Client",
    "Delivery",
    "Event",
    "Filters",
    "Gap",
    "GivenUp",
    "Key",
    "KeyOptions",
    "Place",
    "Policies",
    "Rejected",
    "Rejection",
    "SendResult",
    "Session",
    "StreamError",
    "Verified",
    "Webhook",
    "WebhookOptions",
]
