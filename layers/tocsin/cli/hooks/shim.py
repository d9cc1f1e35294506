"""``tocsin hook``: what a coding agent runs before, between and after its calls of tools.

It reads a hook's payload from standard input and answers in the product's words, or ends with 2
and the reason on standard error, which every product takes for a no. Whatever goes wrong with a
call that waits for an answer is a no. With the mere record of something it is told, and nothing is
held up, unless that is asked for.
"""

import json
import os
import signal
import sys
import time
from dataclasses import dataclass, replace
from typing import Any, Final, NoReturn

from tocsin.cli.hooks.asking import Asking, NoAnswer
from tocsin.cli.hooks.settings import BadSettings, find
from tocsin.wire.intake.hooks.asking import ASKING, asks

__all__ = ["BLOCKED", "DEFAULT_SECONDS", "TOLD", "Options", "asked_for", "run"]

BLOCKED: Final = 2
"""Every product takes this exit status for a no."""

TOLD: Final = 1
"""And this one for a hook that failed: it says so, and goes on."""

DEFAULT_SECONDS: Final = 540
"""As long does the command wait, unless it is told otherwise: less than products' ten minutes."""

_MAX_PAYLOAD_BYTES: Final = 4 * 1024 * 1024
_RECORD_SECONDS: Final = 10
_ALLOWED: Final = frozenset({"allow", "watch"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says. With ``closed_records`` what can't be recorded is a no, too."""

    product: str
    url: str = ""
    agent: str = ""
    grant: bool = False
    seconds: int = DEFAULT_SECONDS
    closed_records: bool = False


class _Ended(BaseException):
    """A signal; the message says which and why it came."""


def asked_for(args: list[str]) -> Options | None:
    """Return what the arguments of ``tocsin hook`` say; None: it takes typer to say more."""
    if not args or args[0] not in ASKING:
        return None
    options, rest = Options(product=args[0]), args[1:]
    while rest:
        name = rest.pop(0)
        if name == "--grant":
            options = replace(options, grant=True)
            continue
        if not rest:
            return None
        value = rest.pop(0)
        if name == "--url":
            options = replace(options, url=value)
        elif name == "--agent":
            options = replace(options, agent=value)
        elif name == "--seconds" and value.isascii() and value.isdecimal():
            options = replace(options, seconds=max(1, min(3600, int(value[:9]))))
        elif name == "--records" and value in ("open", "closed"):
            options = replace(options, closed_records=value == "closed")
        else:
            return None
    return options


def run(options: Options) -> int:
    """Answer one hook on standard output; return the exit status."""
    try:
        return _run(options)
    except BaseException:  # a signal, while something else went wrong
        return BLOCKED


def _run(options: Options) -> int:
    waits = True  # until it is known what it is about
    try:
        _mind_signals(options.seconds)
        ends_at = time.monotonic() + options.seconds
        payload = sys.stdin.buffer.read(_MAX_PAYLOAD_BYTES + 1)
        if len(payload) > _MAX_PAYLOAD_BYTES:
            raise NoAnswer(f"the payload is beyond {_MAX_PAYLOAD_BYTES:,} bytes")
        waits = asks(options.product, _name(payload))
        if not waits:
            ends_at = min(ends_at, time.monotonic() + _RECORD_SECONDS)
            signal.setitimer(signal.ITIMER_REAL, min(options.seconds, _RECORD_SECONDS))
        url, key = find(options.url)
        asking = Asking(url, options.product, payload, ends_at, key, options.agent, options.grant)
        said = asking.answer()
        return _answered(said) if waits else _print(said.get("answer"))
    except (NoAnswer, BadSettings, _Ended) as error:
        return _failed(str(error), waits=waits or options.closed_records)
    except BaseException as error:  # whatever it is, the call must not be made for it
        return _failed(f"it failed ({type(error).__name__})", waits=waits or options.closed_records)


def _name(payload: bytes) -> Any:
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise NoAnswer("the payload is not JSON") from error
    return found.get("hook_event_name") if isinstance(found, dict) else None


def _answered(said: dict[str, Any]) -> int:
    """Say what was decided of a call: only a yes that is one ends with 0."""
    decision, message = said.get("decision"), said.get("message")
    why = message if isinstance(message, str) and message else "no reason is given"
    if decision in _ALLOWED and isinstance(said.get("answer"), dict):
        return _print(said["answer"])
    if decision == "deny":
        _say(why)
        return BLOCKED
    raise NoAnswer("Tocsin's answer decides nothing: are both of one version?")


def _print(answer: Any) -> int:
    if not isinstance(answer, dict):
        raise NoAnswer("Tocsin's answer is none for this product: are both of one version?")
    line = json.dumps(answer).encode() + b"\n"
    while line:
        line = line[os.write(1, line) :]
    return 0


def _failed(why: str, *, waits: bool) -> int:
    _say(f"{why}: the call is not made" if waits else f"{why}: this was not recorded")
    return BLOCKED if waits else TOLD


def _say(line: str) -> None:
    shown = "".join(letter if letter.isprintable() else " " for letter in line)
    try:
        os.write(2, f"tocsin: {shown}\n".encode(errors="replace"))
    except OSError:
        return  # nobody is there to be told


def _mind_signals(seconds: int) -> None:
    def end(number: int, _: object) -> NoReturn:
        late = number == signal.SIGALRM
        raise _Ended("there was no answer in time" if late else "it was ended before an answer")

    for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
