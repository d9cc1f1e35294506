"""Screening measured: what it costs beside what else ingestion does, and what it finds and misses.

The baseline of its cost is what is nearest at hand: the same patterns in Python's ``re``, asked of
each event's JSON. Recall and precision are of public corpora (:mod:`bench.screening.corpora`).
"""

import json
import re
import time
from collections import Counter
from typing import Any

import orjson

from bench import lambdas, traffic
from bench.lambdas import Tenant, rotating
from bench.report import number, ratio, show
from bench.screening import corpora
from bench.timing import Variant, measure
from fakes.stores import FakeJournal
from tocsin.domain.limits import MAX_EVENT_BYTES
from tocsin.domain.privacy import Pii
from tocsin.services.intake.ingest import Ingest
from tocsin.wire.screening import credentials, masked, personal, screen

__all__ = ["main"]

OF_EACH = 20
TYPES = {
    "EMAIL_ADDRESS": "email",
    "PHONE_NUMBER": "phone",
    "CREDIT_CARD": "credit_card",
    "IBAN_CODE": "iban",
    "US_SSN": "national_id",
}
HOSTILE = (
    *("eyJ-hf_" + "a" * 34 + "-", "AKIAIOSFODNN7EXAMPLE ", "://a:b@", 'password="', "pwd=abcd "),
    *("token=", "bearer a1b2c3d4 ", "a@b.cc ", "+12345678 ", "4111 1111 1111 1112 "),
    *("123-45-6789 ", "111.111.111-12 ", "DE89370400440532013001 ", "-----BEGIN PRIVATE KEY-----"),
)
_MARK = re.compile(r"\[masked:([a-z_]+)\]")


def main() -> None:
    """Measure and print."""
    lambdas.prepare()
    _cost()
    _ingest()
    _hostile()
    _credentials()
    _personal()


def _cost() -> None:
    source = traffic.events()
    clean = [next(source) for _ in range(250)]
    secret = [each | {"data": "key AKIAIOSFODNN7EXAMPLE of bob@example.com"} for each in clean]
    size = len(orjson.dumps(clean)) / 1e6
    simple = re.compile(f"{credentials.HINT}|{personal.HINT}".encode(), re.DOTALL)

    def simply() -> None:
        for event in clean:
            simple.search(orjson.dumps(event))

    rates = measure(
        {
            "clean": Variant(lambda: screen(clean, Pii.FLAG), 250),
            "each with a credential and a mail address": Variant(
                lambda: screen([dict(each) for each in secret], Pii.MASK), 250
            ),
            "re": Variant(simply, 250),
        }
    )
    show(
        "Screening 250 events (three shapes, mixed)",
        ("", "MB a second", "ms a KB", "of re"),
        (
            (
                name,
                number(rate.typical / 250 * size),
                f"{250 / rate.typical / size:.4f}",
                ratio(rate.over(rates["re"])),
            )
            for name, rate in rates.items()
        ),
        ("re: the same patterns as one of Python's, asked of each event's JSON alone.",),
    )


def _ingest() -> None:
    rows = []
    for size in traffic.BATCHES:
        bodies = traffic.bodies(size, 8)
        variants = {
            name: Variant(_serving(bodies, screens=screens), size)
            for name, screens in (("with", True), ("without", False))
        }
        rates = measure(variants)
        rows.append(
            (
                str(size),
                number(rates["with"].typical),
                number(rates["without"].typical),
                ratio(rates["with"].over(rates["without"])),
            )
        )
    show(
        "Ingestion with screening and without: events a second of CPU time",
        ("batch", "with", "without", "with is"),
        rows,
        ("The use case over the tests' fakes, as `bench ingest` has it.",),
    )


def _serving(bodies: list[bytes], *, screens: bool) -> Any:
    journal = FakeJournal()
    tenant = Tenant(journal)
    if not screens:
        _unscreened(tenant.ingest)

    def serve(request: Any) -> None:
        tenant.ingest(request)
        journal.batches.clear()

    return rotating(serve, [tenant.request(body) for body in bodies])


def _unscreened(ingest: Ingest) -> None:
    ingest._screening = lambda *_, **__: None  # type: ignore[assignment]


def _hostile() -> None:
    rows = []
    for part in HOSTILE:
        small, large = (_seconds(part, size) for size in (MAX_EVENT_BYTES // 8, MAX_EVENT_BYTES))
        per_kb = large / (MAX_EVENT_BYTES / 1024) * 1000
        rows.append((json.dumps(part)[:40], f"{per_kb:.3f}", ratio(large / small / 8)))
    show(
        "Hostile texts of 256 KB, all of one thing",
        ("", "ms a KB", "of eight times 32 KB"),
        rows,
        ("Each is nothing but what is found or nearly so, again and again.",),
    )


def _seconds(part: str, size: int) -> float:
    text = (part * (size // len(part) + 1))[:size]
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        screen([{"type": "custom", "data": text}], Pii.MASK)
        best = min(best, time.process_time() - began)
    return best


def _credentials() -> None:
    made = corpora.credentials(OF_EACH)
    found = Counter(name for name, token in made if token not in masked(f"the key is {token} here"))
    whole = Counter(name for name, token in made if _is_whole(token))
    rules = sorted({name for name, _ in made})
    missed = [name for name in rules if found[name] < OF_EACH]
    hits, chars = Counter[str](), 0
    for _, text in corpora.code():
        chars += len(text)
        hits.update(_MARK.findall(masked(text)))
    show(
        "Credentials",
        ("", ""),
        (
            ("issuers' rules", str(len(rules))),
            ("tokens made by them, found", f"{found.total() / len(made):.1%}"),
            ("of these whole, not a part", f"{whole.total() / max(1, found.total()):.1%}"),
            ("rules of which all were found", str(len(rules) - len(missed))),
            ("found in a MB of Python's library", number(hits.total() / chars * 1e6)),
        ),
        (
            f"Not (always) found: {', '.join(missed) or 'none'}.",
            f"In the library: {', '.join(f'{n} {kind}' for kind, n in hits.most_common(8))}.",
            "Made by CredSweeper's rules of issuers; 20 tokens each, in a sentence.",
        ),
    )


def _is_whole(token: str) -> bool:
    shown = masked(f"the key is {token} here")
    return _MARK.sub("", shown) == "the key is  here"


def _personal() -> None:
    there, found, right, all_found = (Counter[str]() for _ in range(4))
    for sentence in corpora.sentences():
        spans = [span for span in sentence.spans if span[2] in TYPES]
        shown = _masked(sentence.text)
        for start, end, type in spans:
            there[TYPES[type]] += 1
            found[TYPES[type]] += sentence.text[start:end] not in shown
        for type in _MARK.findall(shown):
            all_found[type] += 1
            right[type] += any(TYPES[span[2]] == type for span in spans)
    show(
        "Personal data in the 1,500 sentences of presidio-evaluator",
        ("", "there", "recall", "found", "precision"),
        (
            (
                type,
                str(there[type]),
                f"{found[type] / there[type]:.1%}",
                str(all_found[type]),
                f"{right[type] / max(1, all_found[type]):.1%}",
            )
            for type in TYPES.values()
        ),
        (
            "Phones are of all the world, most without a country's code: but for North America's,",
            "those are not looked for; nor are cards of 12 digits, names, and streets.",
        ),
    )


def _masked(text: str) -> str:
    event: dict[str, Any] = {"type": "custom", "data": text}
    screen([event], Pii.MASK)
    return str(event["data"])
