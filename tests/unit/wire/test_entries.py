"""The lines from which anybody computes the chain, and the examples that the dashboard is held to.

``dashboard/tests/chain.jsonl`` is what this module makes; the page's own tests read it.
"""

from itertools import pairwise
from pathlib import Path

from tocsin.domain import canonical, chain
from tocsin.domain.segment import SealedEvent
from tocsin.wire.entries import leaf_line, line

EXAMPLES = Path(__file__).parents[3] / "dashboard" / "tests" / "chain.jsonl"

ENTRIES = [
    canonical.canonical({"id": "evt_1", "type": "tool_call"}),
    canonical.canonical({"tool_name": '}\n,"event":{\u202e😀\\', "metadata": {"leaf": "00"}}),
    canonical.canonical({"é": "\u0000\u2028\ud7ff", "text": "x" * 300}),
    canonical.canonical({}),
    canonical.canonical({"id": "evt_5", "error": '"leaf":"00"}'}),
]
EXPIRED = 3  # the seq of the one of which the leaf is left


def test_the_dashboard_s_examples_are_the_chain_as_it_is_computed_here() -> None:
    leaves = [chain.leaf(each) for each in ENTRIES]
    hashes = [chain.genesis("acme"), *chain.extend(chain.genesis("acme"), leaves)]
    lines = [
        leaf_line(seq, before, after, leaf)
        if seq == EXPIRED
        else line(SealedEvent(seq, entry, before, after))
        for seq, (entry, leaf, (before, after)) in enumerate(
            zip(ENTRIES, leaves, pairwise(hashes), strict=True), 1
        )
    ]
    assert EXAMPLES.read_bytes() == b"".join(lines)
