"""The price list: which provider and model a call names, and what it cost at a time.

It does what ``genai-prices`` does (https://github.com/pydantic/genai-prices) with that package's
data, less what its events here can't have, such as audio; a test holds the two together.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from typing import Any, Final

import orjson

from tocsin.domain.times import utc
from tocsin.wire.pricing.table import TABLE

__all__ = ["Tokens", "cost_usd"]

_MILLION: Final = 1_000_000
_REMEMBERED: Final = 4_096  # models, as senders name them
_COMPACT_DATE: Final = re.compile(r"-(\d{4})(\d{2})(\d{2})(?!\d)")


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a call used; what was read from the cache and written to it is part of ``input``."""

    input: int
    cache_read: int
    cache_write: int
    output: int


def cost_usd(provider: str | None, model: str, tokens: Tokens, at_ms: int) -> float | None:
    """Return what a call cost at a Unix time; None: nobody knows the model, or its price."""
    prices = _prices(provider, model)
    if not prices:
        return None
    price = _at(prices, at_ms)
    if not price:
        return None
    return _sum(price, tokens)


@lru_cache(maxsize=_REMEMBERED)
def _prices(provider: str | None, model: str) -> Sequence[Any]:
    """Return a model's prices and when they hold."""
    model = model.lower()
    seller = _seller(provider, model)
    if seller is None:
        return ()
    found = _model(seller, model)
    if found is None and (dated := _dated(model)) != model:
        found = _model(seller, dated)
    return found or ()


def _seller(provider: str | None, model: str) -> Mapping[str, Any] | None:
    if provider is None:
        return next((each for each in _table() if each["has"] and _is(each["has"], model)), None)
    name = provider.lower().strip()
    sellers = _table()
    exactly = next((each for each in sellers if each["id"] == name), None)
    return exactly or next((it for it in sellers if it["named"] and _is(it["named"], name)), None)


def _model(seller: Mapping[str, Any], model: str) -> Sequence[Any] | None:
    others = (each for id in seller["else"] for each in _table() if each["id"] == id)
    for each in (seller, *others):
        for clause, prices in each["models"]:
            if _is(clause, model):
                return list(prices)
    return None


def _is(clause: Mapping[str, Any], text: str) -> bool:
    [(how, value)] = clause.items()
    match how:
        case "or":
            return any(_is(each, text) for each in value)
        case "and":
            return all(_is(each, text) for each in value)
        case "equals":
            return bool(text == value)
        case "starts_with":
            return text.startswith(value)
        case "ends_with":
            return text.endswith(value)
        case "contains":
            return value in text
    return re.search(value, text) is not None


def _dated(model: str) -> str:
    """Return a model's name with its date as 2025-12-11, which some send as 20251211."""

    def dashed(found: re.Match[str]) -> str:
        year, month, day = found.groups()
        try:
            date(int(year), int(month), int(day))
        except ValueError:
            return found[0]
        return f"-{year}-{month}-{day}"

    return _COMPACT_DATE.sub(dashed, model)


def _at(prices: Sequence[Any], at_ms: int) -> Sequence[Any]:
    moment = utc(at_ms)
    day, time = moment.date().isoformat(), moment.time().isoformat()
    for when, price in reversed(prices):
        if when is None or _holds(when, day, time):
            return list(price)
    return list(prices[0][1])


def _holds(when: Any, day: str, time: str) -> bool:
    if isinstance(when, str):
        return day >= when
    start, end = when
    return bool(start <= time < end if start <= end else time >= start or time < end)


def _sum(price: Sequence[Any], tokens: Tokens) -> float | None:
    padded = [*price, *[None] * (5 - len(price))]
    each, read, write, answered, requests = (_tier(it, tokens.input) for it in padded)
    if each is None and answered is None and requests is None:
        return None
    # What has no price of its own costs what input does.
    plain = tokens.input
    cost = 0.0
    for one, count in ((read, tokens.cache_read), (write, tokens.cache_write)):
        if one is not None:
            plain -= count
            cost += one * count
    cost += (each or 0.0) * max(0, plain) + (answered or 0.0) * tokens.output
    return cost / _MILLION + (requests or 0.0) / 1_000


def _tier(price: Any, size: int) -> float | None:
    """Return the price for a call with so many input tokens: the tier holds for all of them."""
    if not isinstance(price, list):
        return None if price is None else float(price)
    base, *tiers = price
    return float(next((it for start, it in reversed(tiers) if size > start), base))


@cache
def _table() -> Sequence[Mapping[str, Any]]:
    return list(orjson.loads(TABLE))
