"""A witness of tlog-witness: it keeps what it has cosigned, and cosigns what goes on from that.

It is written from the specification, https://c2sp.org/tlog-witness, with the tree's own checks.
"""

import threading
from collections.abc import Callable

from support.log_signers import log_signer
from support.receiver import Received, Reply
from tocsin.domain.merkle import EMPTY, BadProof, check_consistency
from tocsin.ports.evidence import Answer
from tocsin.wire.log import notes
from tocsin.wire.log.checkpoints import Checkpoint
from tocsin.wire.log.faults import BadEvidence
from tocsin.wire.log.growth import Growth
from tocsin.wire.log.keys import KeyType, Verifier

__all__ = ["SIZE_TYPE", "CosigningWitness", "Logs"]

type Logs = Callable[[str], Verifier | None]

SIZE_TYPE = "text/x.tlog.size"


class CosigningWitness:
    """Knows logs by their origins; ``now_s`` is its clock, a Unix time in seconds.

    Attributes:
        key: The key of its cosignatures.
        seen: What it has cosigned last, size and root, by origin.
        asked: From which size on each request was, and of which.
    """

    def __init__(
        self,
        name: str,
        logs: Logs,
        now_s: Callable[[], int],
        type: KeyType = KeyType.ED25519_COSIGNATURE,
    ) -> None:
        self.signer = log_signer(name, type)
        self.key = self.signer.key
        self.seen: dict[str, tuple[int, bytes]] = {}
        self.asked: list[tuple[int, int]] = []
        self._logs = logs
        self._now_s = now_s
        self._lock = threading.Lock()

    def reply(self, received: Received) -> Reply:
        """Answer a request of HTTP."""
        if (received.method, received.path) != ("POST", "/witness/add-checkpoint"):
            return Reply(405)
        answer = self.answer(received.body)
        headers = [("Content-Type", SIZE_TYPE)] if answer.status == 409 else []
        return Reply(answer.status, headers, answer.body)

    def answer(self, body: bytes) -> Answer:
        """Answer ``add-checkpoint``."""
        try:
            growth = Growth.read(body)
            note = notes.Note.read(growth.checkpoint)
            checkpoint = Checkpoint.read(note.text)
        except BadEvidence:
            return Answer(400, b"")
        self.asked.append((growth.old, checkpoint.size))
        log = self._logs(checkpoint.origin)
        if log is None:
            return Answer(404, b"")
        try:
            notes.opened(growth.checkpoint, [log])
        except BadEvidence:
            return Answer(403, b"")
        if growth.old > checkpoint.size:
            return Answer(400, b"")
        with self._lock:
            return self._cosigned(growth, checkpoint, note.text)

    def _cosigned(self, growth: Growth, checkpoint: Checkpoint, text: str) -> Answer:
        size, root = self.seen.get(checkpoint.origin, (0, EMPTY))
        moved = growth.old != size
        if moved or (growth.old == checkpoint.size and checkpoint.root != root):
            return Answer(409, f"{size}\n".encode())
        try:
            check_consistency(size, root, checkpoint.size, checkpoint.root, growth.hashes)
        except BadProof:
            return Answer(422, b"")
        self.seen[checkpoint.origin] = checkpoint.size, checkpoint.root
        return Answer(200, self.signature_lines(text).encode())

    def signature_lines(self, text: str, at_s: int | None = None) -> str:
        """Return what it answers for a checkpoint's text, now or at another time."""
        signed = notes.signed(text, [self.signer], self._now_s() if at_s is None else at_s)
        return notes.write_signatures(signed.signatures)
