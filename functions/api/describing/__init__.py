"""The OpenAPI document of every route, whichever service answers it."""

from functions.api.describing.document import document

__all__ = ["document"]
