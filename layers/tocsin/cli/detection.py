"""``tocsin detection``: how the org is watched."""

from typing import Annotated, Any

import orjson
import typer

from tocsin.cli._connection import ApiKeyOption, UrlOption, connected
from tocsin.cli._failure import USAGE, Failure
from tocsin.cli._output import json_escaped, note, say, show_table

__all__ = ["app"]

_DRY_RUN = "/api/v1/detection/dry-run"
_SETTINGS = ("enabled", "false_alerts_per_day", "kinds", "hours", "suspend_from")

app = typer.Typer(no_args_is_help=True, help="See and change how the org is watched.")


@app.command()
def show(url: UrlOption = None, api_key: ApiKeyOption = None) -> None:
    """Show how the org is watched, and what each kind of anomaly is, as JSON."""
    with connected(url, api_key) as client:
        found = client.detection()
    say(json_escaped(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode()))


@app.command("set")
def set_(
    enabled: Annotated[
        bool | None, typer.Option("--enabled/--disabled", help="Whether it is watched at all.")
    ] = None,
    false_alerts_per_day: Annotated[
        float | None,
        typer.Option(min=0, max=1_000, show_default=False, help="How many you can live with."),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(show_default=False, help="Tell only these kinds. May be given repeatedly."),
    ] = None,
    all_kinds: Annotated[bool, typer.Option("--all-kinds", help="Tell all kinds.")] = False,
    hours: Annotated[
        str | None,
        typer.Option(
            metavar="FROM-TO",
            show_default=False,
            help="When people are at work, as in 08:00-18:00; `none`: what the traffic says.",
        ),
    ] = None,
    days: Annotated[
        str | None,
        typer.Option(show_default=False, help="On which days, as in 0,1,2,3,4; 0 is Monday."),
    ] = None,
    time_zone: Annotated[
        str | None, typer.Option(show_default=False, help="Where, as in Europe/Berlin.")
    ] = None,
    suspend_from: Annotated[
        str | None,
        typer.Option(
            show_default=False,
            help="Suspend the session of an alert from this severity on: info, warning, critical; "
            "or `none`.",
        ),
    ] = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Change how the org is watched; what is not given stays. The key needs the scope admin."""
    if kind and all_kinds:
        raise Failure("give --kind or --all-kinds, but not both", USAGE)
    with connected(url, api_key) as client:
        found = client.detection()
        wanted = {name: found[name] for name in _SETTINGS}
        given = {
            "enabled": enabled,
            "false_alerts_per_day": false_alerts_per_day,
            "kinds": [each["kind"] for each in found["known_kinds"]] if all_kinds else kind or None,
        }
        wanted |= {name: value for name, value in given.items() if value is not None}
        if suspend_from is not None:
            wanted["suspend_from"] = None if suspend_from == "none" else suspend_from
        wanted["hours"] = _hours(wanted["hours"], hours, days, time_zone)
        client.set_detection(wanted)
    note("It is set.")


@app.command("dry-run")
def dry_run(
    from_time: Annotated[
        str | None,
        typer.Option("--from", show_default=False, help="Since when; else a day before the end."),
    ] = None,
    to_time: Annotated[
        str | None, typer.Option("--to", show_default=False, help="Until when; else now.")
    ] = None,
    false_alerts_per_day: Annotated[
        float | None,
        typer.Option(min=0, max=1_000, show_default=False, help="Instead of what is set."),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(show_default=False, help="Only these kinds. May be given repeatedly."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Say what detection would have told of the past, with these settings or others."""
    given = {
        "from": from_time,
        "to": to_time,
        "false_alerts_per_day": None if false_alerts_per_day is None else str(false_alerts_per_day),
        "kinds": ",".join(kind) if kind else None,
    }
    asked = {name: value for name, value in given.items() if value is not None}
    with connected(url, api_key) as client:
        found = client.call("GET", _DRY_RUN, asked)
    if json:
        say(json_escaped(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode()))
        return
    if found["anomalies"]:
        show_table(("when", "severity", "kind", "what"), map(_row, found["anomalies"]))
    note(
        f"{found['total']:,} would have been told, of {found['looked_at']:,} events; "
        f"{found['trained_on']:,} before them were learned from."
    )


def _row(event: Any) -> tuple[str, ...]:
    data = event["data"]
    return data["detectedAt"], data["severity"], data["type"], data["description"][:80]


def _hours(now: Any, hours: str | None, days: str | None, time_zone: str | None) -> Any:
    if hours == "none":
        if days or time_zone:
            raise Failure("--days and --time-zone say nothing without --hours", USAGE)
        return None
    wanted = dict(now or {})
    if hours is not None:
        wanted["from"], _, wanted["to"] = hours.partition("-")
    if days is not None:
        try:
            wanted["days"] = [int(day) for day in days.split(",")]
        except ValueError as error:
            raise Failure("--days is like 0,1,2,3,4", USAGE) from error
    if time_zone is not None:
        wanted["time_zone"] = time_zone
    if wanted and "from" not in wanted:
        raise Failure("--days and --time-zone need --hours, which are not set yet", USAGE)
    return wanted or None
