"""How far detection has come in an org's ledger."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Cursor"]


@dataclass(frozen=True, slots=True)
class Cursor:
    """Everything up to ``through_seq`` was looked at, where the ledger's hash is ``hash``.

    ``state`` is the org's own, as :meth:`.fold.Fold.pack` returns it. If nothing is sealed before
    ``due_ms`` (Unix ms; 0: never), something may be found then. ``change`` is another with each
    change of it; empty: there is none yet. ``shelves`` are the places of all else, by name.
    Of what is found beyond ``through_seq`` the first ``told`` were told.
    """

    through_seq: int = 0
    hash: bytes = b""
    state: bytes = b""
    due_ms: int = 0
    change: str = ""
    shelves: Mapping[str, str] = field(default_factory=dict)
    told: int = 0
