"""No expression names an attribute by a word that DynamoDB keeps for itself.

A store that stands in for DynamoDB may not mind; DynamoDB answers ValidationException. The words:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html
"""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tocsin.adapters import dynamodb
from tocsin.domain.projection import changes
from tocsin.domain.segment import SealedEvent

FOLDER = Path(str(dynamodb.__file__)).parent
RESERVED = set((Path(__file__).parent / "dynamodb_reserved_words.txt").read_text().split())
# What an expression is made of beside names; written in this case.
SYNTAX = {"SET", "ADD", "REMOVE", "DELETE", "AND", "OR", "NOT", "BETWEEN", "IN"}
EXPRESSION = re.compile(r"(^|[ (]):[a-z]|attribute_|^(SET|ADD|REMOVE|DELETE) ")


def names(expression: str) -> set[str]:
    """Return the attributes' names, without placeholders, functions and syntax."""
    words = re.findall(r"(?<![:#\w])[A-Za-z_]\w*(?!\w*\()", expression)
    return set(words) - SYNTAX


def expressions(source: str) -> Iterator[str]:
    """Yield the literals that are expressions, or parts of them; no docstring is."""
    tree = ast.parse(source)
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    literals = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
    for node in literals:
        text = node.value
        if isinstance(text, str) and id(node) not in prose and EXPRESSION.search(text):
            yield text


def offending(source: str) -> set[str]:
    return {
        name
        for expression in expressions(source)
        for name in names(expression)
        if name.upper() in RESERVED
    }


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_no_expression_uses_a_reserved_word(path: Path) -> None:
    assert offending(path.read_text()) == set()


def test_the_journals_batch_has_a_placeholder_since_it_is_one() -> None:
    found = [each for each in expressions((FOLDER / "journal.py").read_text()) if "batch" in each]
    assert any("#batch" in each for each in found)
    assert "BATCH" in RESERVED


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('query(KeyConditionExpression="org = :org AND batch > :after")', {"batch"}),
        ('update("SET hash = if_not_exists(hash, :hash) ADD cursor :one")', {"hash", "cursor"}),
        ('put(ConditionExpression="attribute_not_exists(references)")', {"references"}),
        ('query(KeyConditionExpression="org = :org AND #batch > :after")', set()),
        ('"""SET status :of an order, in a docstring."""', set()),
    ],
)
def test_it_would_be_found(source: str, words: set[str]) -> None:
    assert offending(source) == words


def test_counters_which_expressions_are_put_together_from_are_no_such_words() -> None:
    event = {
        "timestamp": "2026-11-26T00:00:00.000Z",
        "received_at": "2026-11-26T00:00:00.000Z",
        "agent_id": "a",
        "session_id": "s",
        "total_tokens": 1,
        "cost_usd": 0.5,
    }
    sealed = SealedEvent(1, json.dumps(event).encode(), bytes(32), bytes(32))
    counters = {name for change in changes([sealed]) for name in change.counters}
    assert {"events", "total_tokens", "cost_nano_usd"} <= counters
    assert not {name for name in counters if name.upper() in RESERVED}


def test_the_list_is_aws() -> None:
    assert len(RESERVED) == 573
    assert {"ABORT", "NAME", "STATUS", "TTL", "ZONE"} <= RESERVED
