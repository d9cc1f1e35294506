"""Writes ``layers/tocsin/wire/pricing/table.py`` from the installed ``genai-prices``.

``make lock`` runs it, so the table is of the version in the lock. genai-prices itself takes a
third of a second to import (it brings an HTTP client, to refresh its data), and its data 1.5 MB.
"""

from pathlib import Path
from typing import Any

import orjson
from genai_prices import types
from genai_prices.data import providers

TABLE = Path(__file__).parents[1] / "layers" / "tocsin" / "wire" / "pricing" / "table.py"
PRICES = ("input_mtok", "cache_read_mtok", "cache_write_mtok", "output_mtok", "requests_kcount")
HEAD = '''"""What models cost, by provider: from ``genai-prices``, by ``requirements/prices.py``."""

from typing import Final

__all__ = ["TABLE"]

TABLE: Final = r"""
'''


def main() -> None:
    """Write the table."""
    TABLE.write_text(text())


def text() -> str:
    """Return the module that the table is."""
    rows = ",\n".join(orjson.dumps(_provider(each)).decode() for each in providers)
    return f'{HEAD}[{rows}]\n"""\n"""JSON: see :mod:`tocsin.wire.pricing.prices`."""\n'


def _provider(provider: types.Provider) -> dict[str, Any]:
    return {
        "id": provider.id,
        "named": _clause(provider.provider_match),
        "has": _clause(provider.model_match),
        "else": provider.fallback_model_providers or [],
        "models": [[_clause(model.match), _prices(model.prices)] for model in provider.models],
    }


def _clause(clause: Any) -> Any:
    match clause:
        case None:
            return None
        case types.ClauseOr():
            return {"or": [_clause(each) for each in clause.or_]}
        case types.ClauseAnd():
            return {"and": [_clause(each) for each in clause.and_]}
        case types.ClauseRegex():
            return {"regex": clause.regex}
    [(name, value)] = vars(clause).items()
    return {name: value.lower()}


def _prices(prices: Any) -> list[Any]:
    """Return prices with when they hold; the last of those that hold is it, else the first."""
    if isinstance(prices, types.ModelPrice):
        return [[None, _price(prices)]]
    return [[_when(each.constraint), _price(each.prices)] for each in prices]


def _when(constraint: Any) -> Any:
    match constraint:
        case None:
            return None
        case types.StartDateConstraint():
            return constraint.start_date.isoformat()
    return [_minutes(constraint.start_time), _minutes(constraint.end_time)]


def _minutes(time: Any) -> str:
    if time.utcoffset():
        raise ValueError(f"{time} is not in UTC: prices.py has to learn it")
    return str(time.replace(tzinfo=None).isoformat())


def _price(price: types.ModelPrice) -> list[Any]:
    said = [_number(getattr(price, name)) for name in PRICES]
    while said and said[-1] is None:
        said.pop()
    return said


def _number(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, types.TieredPrices):
        return [float(value.base), *([tier.start, float(tier.price)] for tier in value.tiers)]
    return float(value)


if __name__ == "__main__":
    main()
