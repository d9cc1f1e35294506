"""The coding agents whose hooks are taken, by the name in their route."""

from collections.abc import Mapping
from typing import Final

from tocsin.wire.intake.hooks.claude_code import CLAUDE_CODE
from tocsin.wire.intake.hooks.codex import CODEX
from tocsin.wire.intake.hooks.cursor import CURSOR
from tocsin.wire.intake.hooks.gemini_cli import GEMINI_CLI
from tocsin.wire.intake.hooks.hook import Product

__all__ = ["PRODUCTS"]

PRODUCTS: Final[Mapping[str, Product]] = {
    product.name: product for product in (CLAUDE_CODE, CODEX, CURSOR, GEMINI_CLI)
}
