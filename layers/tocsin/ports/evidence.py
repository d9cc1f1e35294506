"""What evidence needs: where trees and checkpoints are kept, who signs, and who cosigns."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, Protocol

from tocsin.domain.batch import Batch
from tocsin.domain.merkle import Node
from tocsin.domain.tree import Checkpoint, LogKey, Tree
from tocsin.wire.log.keys import Verifier

__all__ = ["MOST_NODES", "Answer", "Archive", "Signer", "Trees", "Witness"]

MOST_NODES: Final = 90
"""As many are written with their tree: a DynamoDB transaction has 100 items."""


class Trees(Protocol):
    """The trees and their checkpoints."""

    def get(self, org: str) -> Tree | None:
        """Return how far an org's tree is, strongly consistent; None: nobody began it.

        Raises:
            IntegrityError: what is stored is none.
        """

    def grow(self, before: Tree | None, after: Tree, nodes: Sequence[Node]) -> None:
        """Let a tree grow from what it was, with those of its new nodes that are kept.

        Raises:
            HeadMoved: it is otherwise by now; nothing was written.
            IntegrityError: another node is there already, which the tree can't have.
            ValueError: there are more than :data:`MOST_NODES`.
        """

    def sign(
        self,
        before: Tree,
        after: Tree,
        checkpoint: Checkpoint,
        changed: Sequence[LogKey],
        told: tuple[Batch, bytes] | None = None,
    ) -> None:
        """Keep a checkpoint of a tree as it is stored (``before``), as its last one.

        There may be several of a size, each of another time. ``changed`` is what is to be known of
        keys from now on, and ``told`` the batch, packed too, that tells of it.

        Raises:
            HeadMoved: it is otherwise by now; nothing was written.
            IntegrityError: a checkpoint is there already, which the tree did not have.
        """

    def cosign(self, org: str, before: Checkpoint, after: Checkpoint) -> None:
        """Keep a checkpoint, as it was read before, with the signatures that it has now.

        Raises:
            HeadMoved: it is otherwise by now, or not there; nothing was written.
        """

    def nodes(self, org: str, height: int, first: int, count: int) -> Sequence[bytes]:
        """Return the hashes of kept nodes of a height, by number; up to the first that is missing.

        Strongly consistent.
        """

    def checkpoint(self, org: str, covering: int = 0) -> Checkpoint | None:
        """Return the first of the smallest that cover so many events; 0: the last one."""

    def checkpoints(self, org: str, above: int, until: int) -> Iterator[Checkpoint]:
        """Yield all checkpoints of more than so many events, and of no more than so many."""

    def keys(self, org: str) -> Sequence[LogKey]:
        """Return the keys of an org's checkpoints, in the order in which they came."""


class Signer(Protocol):
    """A key that signs: of Ed25519 (RFC 8032) or of ML-DSA-44 (FIPS 204).

    The public key's length says of which.
    """

    @property
    def public_key(self) -> bytes:
        """The public key: 32 bytes of Ed25519, 1,312 of ML-DSA-44.

        Raises:
            Busy: who holds it does not answer.
        """

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message: 64 bytes, or 2,420.

        Raises:
            Busy: who holds the key does not answer.
        """


class Answer(NamedTuple):
    """What a witness answers: HTTP's status, and a body of some kilobytes."""

    status: int
    body: bytes


class Witness(Protocol):
    """Who cosigns what goes on from what it has cosigned before (https://c2sp.org/tlog-witness)."""

    @property
    def name(self) -> str:
        """What its policy calls it."""

    @property
    def key(self) -> Verifier:
        """The key of its cosignatures."""

    def add(self, body: bytes) -> Answer:
        """Ask it for a cosignature, by ``add-checkpoint``; within a few seconds, whatever it does.

        Raises:
            Busy: nothing came by then, or nothing that can be read.
        """


class Archive(Protocol):
    """Where evidence is kept outside of the tables, best where nobody can remove it.

    ``is_apart`` says whether who can write the tables can't write it: such a one is believed.
    """

    is_apart: bool

    def put(self, path: str, content: bytes, *, hold: bool = False) -> None:
        """Keep a file under a path of names with slashes; the same may come again.

        With ``hold`` it is kept until somebody says otherwise, where the archive can do that.

        Raises:
            Busy: it does not answer, or refuses just now.
        """

    def get(self, path: str) -> bytes | None:
        """Return a file as it was put last; None: there is none.

        Raises:
            Busy: as :meth:`put` does.
        """

    def folders(self, path: str) -> Sequence[str]:
        """Return the names of the folders right below one; none where that is not there.

        Raises:
            Busy: as :meth:`put` does.
        """
