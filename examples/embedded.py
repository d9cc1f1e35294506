"""Tocsin in your own application: ``uvicorn --app-dir examples embedded:app``."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tocsin.embedded import EventStream


async def subscriber(token: str) -> str | None:
    """Return whose token it is; ask your own sessions instead."""
    return {"secret": "alice"}.get(token)


async def create_agent(request: Request) -> JSONResponse:
    """Do what the application does, and tell who watches."""
    agent = await request.json()
    await stream.emit({"type": "agent.created", "data": agent, "userId": "alice"})
    return JSONResponse(agent, 201)


stream = EventStream("events.db", validate_token=subscriber)
routes = [Route(stream.path, stream), Route("/agents", create_agent, methods=["POST"])]
app = Starlette(routes=routes, lifespan=stream.lifespan)
