"""``tocsin report``: what was done under which compliance tag, by day or month."""

import csv
import io
from typing import Annotated, Any, Final

import orjson
import typer

from tocsin.cli._connection import ApiKeyOption, UrlOption, connected
from tocsin.cli._failure import USAGE, Failure
from tocsin.cli._format import Listed, Period
from tocsin.cli._output import json_escaped, note, say
from tocsin.cli._reporting import COLUMNS, Report
from tocsin.cli._times import check_time
from tocsin.client._asking import Flow, Question
from tocsin.client._errors import not_tocsins
from tocsin.client._events import LIST_PATH, read_list
from tocsin.domain.limits import MAX_LIST_EVENTS

__all__ = ["report"]

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would compute such a cell


def report(
    tag: Annotated[
        str | None, typer.Option(show_default="all tags", help="Only this compliance tag.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(show_default="all there is", help="From this timestamp on.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(show_default="now", help="Up to this timestamp, without it.")
    ] = None,
    by: Annotated[Period, typer.Option(help="What a row is of.")] = Period.DAY,
    format: Annotated[Listed, typer.Option(help="How it is printed.")] = Listed.JSON,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Report by tag and period: events, calls, agents, tools, cost, denials, approvals, PII.

    It reads all events of that time, oldest first: some thousands a second.
    """
    params = {"order": "asc", "limit": str(MAX_LIST_EVENTS)}
    for name, option, value in (("from", "--since", since), ("to", "--until", until)):
        if value is not None:
            try:
                check_time(value)
            except ValueError as error:
                raise Failure(f"{option}: {error}", USAGE) from error
            params[name] = value
    if tag is not None:
        params["compliance_tag"] = tag
    found = Report(by)
    with connected(url, api_key) as client:
        try:
            count = client._run(_read(params, found))
        except ValueError as error:
            raise Failure(str(error), USAGE) from error
    rows = list(found.rows())
    if format is Listed.CSV:
        say(_csv(rows))
    else:
        said = {"tag": tag, "since": since, "until": until, "by": by, "rows": rows}
        say(json_escaped(orjson.dumps(said, option=orjson.OPT_INDENT_2).decode()))
    note(f"{count:,} events were counted.")


def _read(params: dict[str, str], found: Report) -> Flow[int]:
    count = 0
    while True:
        response = yield Question("GET", LIST_PATH, params)
        events = read_list(response)
        found.add(events)
        count += len(events)
        link = response.links.get("next", {}).get("url")
        if link is None:
            return count
        following = dict(response.url.join(link).params)
        if following == params:
            raise not_tocsins(response, "list that goes on")
        params = following


def _csv(rows: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        types = "; ".join(f"{name}: {count}" for name, count in row["pii_types"].items())
        writer.writerow(
            {name: _cell(value) for name, value in (row | {"pii_types": types}).items()}
        )
    return out.getvalue().rstrip("\n")


def _cell(value: Any) -> Any:
    """Return a value as a spreadsheet takes it for text, not for a formula."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
