"""Webhooks of your own application: ``uvicorn --app-dir examples embedded_webhooks:app``."""

import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tocsin.embedded import EventStream


async def create_agent(request: Request) -> JSONResponse:
    """Do what the application does, and tell its webhooks."""
    agent = await request.json()
    await stream.emit({"type": "agent.created", "data": agent})
    return JSONResponse(agent, 201)


async def add_webhook(request: Request) -> JSONResponse:
    """Have events sent to a URL; let those ask for it who may see them all."""
    asked = await request.json()
    webhook = await stream.webhooks.add(asked["url"], types=["agent.created"])
    return JSONResponse({"id": webhook.id, "secret": webhook.secret}, 201)


# Receivers on this machine, over plain HTTP: while you try it.
trying = os.environ.get("TRYING") == "yes"
stream = EventStream("events.db", require_auth=False, loopback_receivers=trying)
routes = [
    Route("/agents", create_agent, methods=["POST"]),
    Route("/webhooks", add_webhook, methods=["POST"]),
]
app = Starlette(routes=routes, lifespan=stream.lifespan)
