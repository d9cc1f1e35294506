"""Run the benches: ``python -m bench [NAME …]``; ``--help`` says what can be chosen.

Every figure that matters is a ratio to a baseline measured in the same run.
"""

import argparse
import sys
import time
import traceback
from importlib import import_module
from pathlib import Path

from bench.report import machine

BENCHES = {
    "ingest": "the ingest handler without I/O, against a Pydantic model and an item per event",
    "otlp": "OpenTelemetry's spans through the ingest handler, against FastAPI and protobuf alone",
    "cloudevents": "CloudEvents through the ingest handler, against FastAPI and their SDK alone",
    "screening": "masking and flagging: MB/s against re, recall and precision on public corpora",
    "forgetting": "events under keys of users, taken in and read, against events in clear",
    "seal": "seal, fan out and verify, against bare SHA-256",
    "verify": "checking an export offline, against RFC 6962 in plain Python",
    "bytes": "journal bytes and DynamoDB write units per event, against one item per event",
    "cost": "dollars per million events and a month: list prices, measured use, and others'",
    "imports": "what each function's handler takes to import, against boto3 alone",
    "latency": "POST to SSE frame through `tocsin up`, against a bare echo",
    "stream": "the stream service with many subscribers, against nchan and a generator per client",
    "floor": "single events to many subscribers, against bare loops in C and Python, and nchan",
    "queries": "read units and milliseconds of every query, at 10 thousand and 1 million events",
    "approvals": "races of resolvers, how soon who waits is told, and what a decision takes",
    "expiry": "how late approvals expire through `tocsin up`, against the minute's sweep alone",
    "deliveries": "deliveries to endpoints: how soon, how many a second, dollars per million",
    "exports": "objects for S3: Parquet against gzip'd JSON lines, in time, bytes and memory",
    "requests": "dollars per million requests to the API function, by what they do",
    "detection": "what is found of unusual traffic, how soon, and how many alerts are false",
    "dashboard": "the page: size, from POST to row, INP at 500 events/s, memory, verification",
    "proxy": "what `tocsin proxy` adds to a call of a model and to a stream's first byte",
    "first": "from nothing to the first sealed event: the wheel, against httpx alone",
    "chaos": "parts killed, drained and paused under load for minutes: what is lost or doubled",
}


def main() -> int:
    """Run the benches named, or all; return the exit status."""
    parser = argparse.ArgumentParser("python -m bench", description="Measure Tocsin.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}")
    parser.add_argument("--list", action="store_true", help="say what there is, and end")
    parser.add_argument("--minutes", type=float, default=3.0, help="how long chaos lasts (3)")
    parser.add_argument(
        "--seed", type=int, help="repeats a run of chaos, as far as it goes; detection: 1"
    )
    parser.add_argument("--races", type=int, default=10_000, help="approvals: how many (10,000)")
    parser.add_argument("--series", type=int, default=1_000, help="detection: how many (1,000)")
    parser.add_argument("--days", type=int, default=3, help="detection: calm ones (3)")
    parser.add_argument(
        "--csv", type=Path, metavar="FILE", help="detection: score its timestamp,value rows instead"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="with --csv: into it")
    parser.add_argument("--against", metavar="REV", help="imports: compare with a git revision")
    arguments = parser.parse_args()
    if arguments.list:
        for name, what in BENCHES.items():
            print(f"{name:<11} {what}")
        return 0
    if unknown := set(arguments.names) - BENCHES.keys():
        parser.error(f"no such bench: {', '.join(sorted(unknown))} (--list says what there is)")
    if arguments.csv is not None:
        if arguments.names != ["detection"]:
            parser.error("--csv is detection's")
        from bench.detection import series

        series.main(arguments.csv, arguments.out)
        return 0
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # the fakes
    print(f"{machine()}\n")
    options = {
        "chaos": {"minutes": arguments.minutes, "seed": arguments.seed},
        "approvals": {"races": arguments.races},
        "detection": {
            "series": arguments.series,
            "days": arguments.days,
            "seed": 1 if arguments.seed is None else arguments.seed,
        },
        "imports": {"against": arguments.against},
    }
    failed = []
    for name in arguments.names or BENCHES:
        began = time.monotonic()
        try:
            import_module(f"bench.{name}").main(**options.get(name, {}))
        except Exception:
            traceback.print_exc()
            failed.append(name)
        print(f"({name} took {time.monotonic() - began:.0f} s)\n", flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
