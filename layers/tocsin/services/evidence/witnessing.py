"""Have others cosign what was signed, so that nobody can show two histories of a log.

Each witness cosigns only what goes on from all that it has cosigned before. A checkpoint is stored
before anybody is asked about it: so what a witness knows and the tables don't was signed by
somebody else. Whatever step is the last, the next run asks those again whose signature is missing.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from tocsin.domain.errors import HeadMoved, IntegrityError
from tocsin.domain.tree import Checkpoint, Cosigned, Tree
from tocsin.ports.evidence import Trees, Witness
from tocsin.ports.log import Ledger
from tocsin.ports.world import Clock
from tocsin.services.evidence.asking import (
    AnotherHistory,
    Declined,
    Failed,
    History,
    Later,
    cosignature,
)
from tocsin.services.evidence.cosigning import add, has_signed
from tocsin.wire.log.notes import Signature

__all__ = ["Asking", "Witnessing"]

_ASKING_MS: Final = 200_000
"""For which a run's orgs wait for witnesses, one org's wait added to the other's: half of what a
run has for all that it does. Each witness has a share, so that none takes another's."""

_DECLINED_MS: Final = 10 * 60 * 1_000
"""For which a witness that does not know a log is not asked about it again."""


class Witnessing:
    """Knows the witnesses, and which of them have declined to cosign for which orgs."""

    def __init__(
        self, ledger: Ledger, trees: Trees, witnesses: Sequence[Witness], clock: Clock
    ) -> None:
        self.ledger = ledger
        self.trees = trees
        self.witnesses = {_id(each): each for each in witnesses}
        self.clock = clock
        self.declined = dict[tuple[str, str], tuple[int, str]]()

    def begin(self, in_time: Callable[[], bool]) -> "Asking":
        """Return what a run asks by; nobody is asked when it is not ``in_time``."""
        return Asking(self, in_time)


@dataclass(slots=True)
class Asking:
    """A run's asking. Threads may use it at once.

    Attributes:
        away: The witnesses that gave no cosignature to an org, and why; the first reason of each.
        broken: Orgs of which a witness has seen another history, or whose stored checkpoints don't
            follow from each other, and how.
    """

    known: Witnessing
    in_time: Callable[[], bool]
    away: dict[str, str] = field(default_factory=dict)
    broken: dict[str, Exception] = field(default_factory=dict)
    _failed: set[str] = field(default_factory=set)
    _asked_ms: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, tree: Tree) -> Tree:
        """Have an org's last checkpoint cosigned by those who have not yet.

        Returns:
            The tree as it is stored then.

        Raises:
            HeadMoved: another run has changed the tree; what it has not asked for is asked next.
            Busy: a store does not answer.
        """
        signed = tree.signed
        have = {each.witness for each in tree.cosigned if _is_of(each, tree)}
        lacking = [id for id in self.known.witnesses if id not in have]
        asked = [id for id in lacking if self._may_ask(tree.org, id)]
        if signed is None or not asked:
            return tree
        last = self.known.trees.checkpoint(tree.org)
        if last is None or last.size != signed:
            raise HeadMoved(f"{tree.org}: the last checkpoint is another by now")
        try:
            return self._cosigned(tree, last, asked)
        except IntegrityError as error:
            self.broken[tree.org] = error
            return tree

    def _cosigned(self, tree: Tree, last: Checkpoint, asked: Sequence[str]) -> Tree:
        witnesses, org = self.known.witnesses, tree.org
        done = [id for id in asked if has_signed(org, last, witnesses[id].key)]
        found = self._ask_all(tree, last, [id for id in asked if id not in done])
        add(self.known.trees, org, last, {witnesses[id].key: each for id, each in found.items()})
        ids = {*done, *found}
        if not ids:
            return tree
        others = (each for each in tree.cosigned if each.witness not in ids)
        kept = [each for each in others if each.witness in witnesses]
        new = (Cosigned(id, last.size, tree.timed_ms) for id in witnesses if id in ids)
        after = replace(tree, cosigned=(*kept, *new))
        self.known.trees.grow(tree, after, [])
        return after

    def _ask_all(
        self, tree: Tree, last: Checkpoint, asked: Sequence[str]
    ) -> Mapping[str, Signature]:
        """Ask several at once, so that one waits no longer than for the slowest."""
        if not asked:
            return {}
        history = History(self.known.ledger, self.known.trees, tree.org, last)
        with ThreadPoolExecutor(len(asked), "tocsin-witness") as pool:
            answers = pool.map(partial(self._ask, tree, history), asked)
            return {id: each for id, each in zip(asked, answers, strict=True) if each}

    def _ask(self, tree: Tree, history: History, id: str) -> Signature | None:
        witness, began_ms = self.known.witnesses[id], self.known.clock.now_ms()
        old = next((each.size for each in tree.cosigned if each.witness == id), 0)
        try:
            found = cosignature(witness, history, old, began_ms // 1_000)
        except Failed as error:
            self._failed.add(id)
            self._tell(witness, str(error))
        except Declined as error:
            self.known.declined[tree.org, id] = began_ms, str(error)
            self._tell(witness, str(error))
        except AnotherHistory as error:
            self.broken[tree.org] = error
        except Later:
            return None
        else:
            self.known.declined.pop((tree.org, id), None)
            return found
        finally:
            took_ms = max(0, self.known.clock.now_ms() - began_ms)
            with self._lock:
                self._asked_ms[id] = self._asked_ms.get(id, 0) + took_ms
        return None

    def _may_ask(self, org: str, id: str) -> bool:
        """Whether a witness is to be asked about an org; it is told where it is not."""
        witness, now_ms = self.known.witnesses[id], self.known.clock.now_ms()
        at_ms, why = self.known.declined.get((org, id), (0, ""))
        if id in self._failed:
            return False
        if not witness.key.can_verify:
            self._tell(witness, "keys of its type can't be verified here")
        elif why and abs(now_ms - at_ms) < _DECLINED_MS:
            self._tell(witness, why)
        elif self._asked_ms.get(id, 0) >= _ASKING_MS // len(self.known.witnesses):
            self._tell(witness, "it is too slow for so many orgs: the next run asks it for others")
        elif not self.in_time():
            self._tell(witness, "there was no time left to ask it for all orgs")
        else:
            return True
        return False

    def _tell(self, witness: Witness, why: str) -> None:
        self.away.setdefault(witness.name, why)


def _id(witness: Witness) -> str:
    return f"{witness.key.name}+{witness.key.id.hex()}"


def _is_of(each: Cosigned, tree: Tree) -> bool:
    """Whether it is about a tree's last checkpoint."""
    return (each.size, each.timed_ms) == (tree.signed, tree.timed_ms)
