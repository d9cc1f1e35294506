"""What a hook says, and what it is answered; each product's module makes one from the other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tocsin.domain.approvals import Call
from tocsin.wire.intake.hooks.payload import Payload

__all__ = ["Hook", "Product", "Ruling", "Whose"]


@dataclass(frozen=True, slots=True)
class Whose:
    """The agent that the product is here, and whose key tells of it."""

    agent: str
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """One event of a product.

    ``told`` are its fields as :mod:`tocsin.wire.event` names them. ``call`` is what an answer is
    waited for about, and ``server`` the MCP server that has its tool; without a call the event is
    only recorded.
    """

    name: str
    told: dict[str, Any]
    call: Call | None = None
    server: str = ""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What became of a call.

    It is ``granted`` if nobody needs to be asked about it any more, not even by the product itself:
    a person has approved it, or its sender wants policies to speak for the user.
    """

    allowed: bool
    message: str = ""
    granted: bool = False


@dataclass(frozen=True, slots=True)
class Product:
    """A coding agent.

    ``read`` returns what a payload says, and raises Malformed where a call is not told whole.
    ``ruled`` and ``noted`` return the product's own answer: about a call, and to what is recorded.
    """

    name: str
    read: Callable[[Payload, Whose], Hook]
    ruled: Callable[[str, Ruling], Mapping[str, Any]]
    noted: Callable[[str], Mapping[str, Any]]
