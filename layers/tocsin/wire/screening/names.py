"""Names that say that their value is a credential: ``password``, ``X-Api-Key``, ``cookie``."""

import re
from functools import lru_cache
from typing import Final

__all__ = ["NAME", "kind_of_name", "looks_random"]

# How a name ends, of which kind its value is then, and whether the value has to look random, too.
_ROWS: Final = (
    ("password", r"pass(?:word|wd|phrase|code)|pwd", False),
    ("private_key", r"private[_-]?key", False),
    ("api_key", r"api[_-]?key|subscription[_-]?key|_b64", False),
    ("access_key", r"(?:access|account|secret|signing|encryption|master|shared)[_-]?key", False),
    ("token", r"(?:access|refresh|auth|id|session|bearer|api|security|[cx]srf)[_-]?token", False),
    ("secret", r"secret|credentials?", False),
    ("authorization", r"authorization", False),
    ("connection_string", r"connection[_-]?string", False),
    ("cookie", r"cookie", False),
    ("token", r"token", True),  # of a model's answer it is a word
)
NAME: Final = "|".join(pattern for _, pattern, _ in _ROWS)
"""The pattern of how such a name ends, in any case."""

_ENDS: Final = tuple(
    (kind, re.compile(f"(?:{pattern})$", re.IGNORECASE), random) for kind, pattern, random in _ROWS
)
_LONGEST: Final = 32  # of what is looked at: more than any of these names has
_LEAST_RANDOM: Final = 16


def kind_of_name(name: str) -> tuple[str, bool] | None:
    """Return of which kind the value of what is named so is, and whether it has to look random."""
    return _kind(name[-_LONGEST:])


@lru_cache(maxsize=4_096)
def _kind(name: str) -> tuple[str, bool] | None:
    if not name.isascii():
        return None
    return next(((kind, random) for kind, ends, random in _ENDS if ends.search(name)), None)


def looks_random(value: str) -> bool:
    """Whether this is no word and no sentence: 16 characters or more, a digit among them."""
    return (
        len(value) >= _LEAST_RANDOM
        and any(each.isdigit() for each in value)
        and not any(each.isspace() for each in value)
    )
