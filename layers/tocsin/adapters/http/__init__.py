"""Requests over HTTP to receivers that nobody vouches for."""

from tocsin.adapters.http.budget import Patience
from tocsin.adapters.http.dialing import Connector
from tocsin.adapters.http.resolving import Resolver
from tocsin.adapters.http.sender import HttpSender

__all__ = ["Connector", "HttpSender", "Patience", "Resolver"]
