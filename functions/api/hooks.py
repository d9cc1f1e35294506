"""The routes of coding agents' hooks, one a product."""

from starlette.responses import Response

from functions.api.asked import Asked, UseCase, answer
from tocsin.bootstrap.api import ApiParts
from tocsin.domain.policy import Decision
from tocsin.wire import hooks as wire
from tocsin.wire.intake.hooks.hook import Product
from tocsin.wire.intake.hooks.products import PRODUCTS

__all__ = ["routes"]


def routes(parts: ApiParts) -> dict[str, UseCase]:
    """Return the use cases over ``parts``, by their names in the table of routes."""

    def answering(product: Product) -> UseCase:
        def hook(asked: Asked) -> Response:
            options = wire.options(asked.query)
            found = parts.hooks(asked.key, product, asked.body, options)
            if options.hold_seconds is None:
                return answer(found.answer)
            said = wire.held(found.answer, found.decision, found.message, found.approval)
            return answer(said, 202 if found.decision is Decision.ASK else 200)

        return hook

    return {f"hook_{name.replace('-', '_')}": answering(each) for name, each in PRODUCTS.items()}
