"""The codes that programs go by: each once, and as the docstring lists them."""

import json
from collections.abc import Iterator

from tocsin.domain import errors
from tocsin.wire import kavach
from tocsin.wire.problems import STATUS
from tocsin.wire.sse import Decoder


def coded(base: type[errors.Refused] = errors.Refused) -> Iterator[type[errors.Refused]]:
    yield base
    for each in base.__subclasses__():
        yield from coded(each)


def test_every_refusal_has_a_code_of_its_own() -> None:
    codes = [each.code for each in coded()] + [errors.IntegrityError.code]
    assert len(set(codes)) == len(codes)
    assert all(each.code == vars(each)["code"] for each in coded())


def test_the_docstring_lists_every_code_and_status() -> None:
    listed = {
        (words[0], words[1], int(words[2]))
        for line in (errors.__doc__ or "").splitlines()
        if len(words := line.split()) == 3 and words[2].isdigit()
    }
    coded_classes: list[type[errors.Refused | errors.IntegrityError]]
    coded_classes = [*coded(), errors.IntegrityError]
    assert listed == {
        (each.__name__, each.code, next(STATUS[base] for base in each.__mro__ if base in STATUS))
        for each in coded_classes
    }


def test_a_bad_credential_is_called_what_kavachos_calls_it() -> None:
    (message,) = Decoder().feed(kavach.UNAUTHORIZED)
    assert json.loads(message.data)["code"] == errors.Unauthenticated.code
