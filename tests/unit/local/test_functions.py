"""The table of the functions, as the other modules read it."""

from pathlib import Path

import pytest

import functions
from tocsin.local.functions import FUNCTIONS, PROCESSES, hosted

HANDLERS = {path.parent.name for path in Path(functions.__path__[0]).glob("*/handler.py")}


def test_every_handler_has_a_row() -> None:
    assert FUNCTIONS.keys() == HANDLERS


def test_every_function_is_hosted_once() -> None:
    assert [each for process in PROCESSES for each in hosted(process)] == list(FUNCTIONS.values())


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_has_the_name_of_its_first_function(process: str) -> None:
    assert hosted(process)[0].name == process


def test_something_invokes_every_function() -> None:
    for function in FUNCTIONS.values():
        assert function.routes or function.consumes or function.receives or function.every


def test_a_queue_is_received_by_one_function_and_a_message_is_not_given_to_two_invocations() -> (
    None
):
    received = [(each, function) for function in FUNCTIONS.values() for each in function.receives]
    assert len({each.queue for each, _ in received}) == len(received)
    for each, function in received:
        assert each.visibility_seconds > function.timeout_seconds


def test_who_seals_is_drained_before_who_reads_what_was_sealed() -> None:
    """The journal's consumer writes the ledger to its end, and only then the others stop."""
    tables = [each.consumes.table for each in FUNCTIONS.values() if each.consumes]
    assert tables[0] == "journal"
    assert set(tables[1:]) == {"ledger"}


def test_no_two_functions_answer_the_same_route() -> None:
    routes = [route for function in FUNCTIONS.values() for route in function.routes]
    assert len(set(routes)) == len(routes)
    assert "/" in routes  # so that every path has somebody who says that there is nothing
