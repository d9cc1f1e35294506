"""Calls cost what the package says that the price list is from."""

import sys
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from genai_prices import Usage, calc_price, types
from genai_prices.data import providers

from tocsin.wire.pricing import table
from tocsin.wire.pricing.prices import Tokens, cost_usd

ROOT = Path(__file__).parents[4]
MOMENTS = tuple(
    int(datetime(year, 11, 20, hour, tzinfo=UTC).timestamp() * 1000)
    for year in (2024, 2026)
    for hour in (3, 17)
)
USES = (Tokens(1_000, 0, 0, 200), Tokens(300_000, 120_000, 30_000, 4_000), Tokens(10, 10, 0, 0))


def test_the_table_is_of_the_version_in_the_lock() -> None:
    sys.path.insert(0, str(ROOT / "requirements"))
    try:
        import prices  # type: ignore[import-not-found]  # a script
    finally:
        sys.path.pop(0)
    assert Path(table.__file__).read_text() == prices.text(), "run `make lock`"


def named(clause: Any) -> str | None:
    """Return a name that a clause is about."""
    match clause:
        case types.ClauseEquals() | types.ClauseStartsWith() | types.ClauseContains():
            return str(next(iter(vars(clause).values())))
        case types.ClauseOr():
            return next((name for each in clause.or_ if (name := named(each))), None)
    return None


def models() -> list[tuple[str, str]]:
    return [
        (provider.id, name)
        for provider in providers
        for model in provider.models
        if (name := named(model.match))
    ]


def theirs(provider: str | None, model: str, tokens: Tokens, at_ms: int) -> float | None:
    usage = Usage(
        input_tokens=tokens.input,
        cache_read_tokens=tokens.cache_read,
        cache_write_tokens=tokens.cache_write,
        output_tokens=tokens.output,
    )
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    try:
        found = calc_price(usage, model, provider_id=provider, genai_request_timestamp=at)
    except LookupError:
        return None
    return float(found.total_price)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_each_model_costs_what_the_package_says() -> None:
    known = models()
    assert len(known) > 1_000
    other = []
    for provider, model in known:
        for tokens in USES:
            for at_ms in MOMENTS:
                asked = provider, model, tokens, at_ms
                ours, expected = cost_usd(*asked), theirs(*asked)
                if (ours or 0) != pytest.approx(expected or 0):
                    other.append((*asked, ours, expected))
    assert not other, (len(other), list(islice(other, 20)))
