"""Reading projections while they may be replaced: all of an answer is of one generation."""

from collections.abc import Callable

from tocsin.domain.errors import Busy
from tocsin.domain.projection import Projected
from tocsin.ports.projections import Projections

__all__ = ["served"]

_TRIES = 5  # each generation takes a rebuild


def served[Found](projections: Projections, org: str, read: Callable[[Projected], Found]) -> Found:
    """Return what ``read`` finds, which gets the cursor as it was before.

    It is asked again if another generation is served by then: the one before may be in removal.

    Raises:
        Busy: a store does not answer, or it has been so again and again.
    """
    for _ in range(_TRIES):
        cursor = projections.cursor(org)
        found = read(cursor)
        if projections.cursor(org).generation == cursor.generation:
            return found
    raise Busy("the projections are being rebuilt: ask again a little later")
