"""Logs in lines and checkpoints, as somebody has them who checks them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from support.log_signers import LogSigner, log_signer
from tocsin.domain import chain
from tocsin.domain.merkle import Peaks
from tocsin.domain.segment import SealedEvent
from tocsin.wire import entries
from tocsin.wire.log.auditing import Audit
from tocsin.wire.log.checkpoints import Checkpoint
from tocsin.wire.log.doubts import Tiles
from tocsin.wire.log.findings import Finding, Known, Report
from tocsin.wire.log.judging import judged
from tocsin.wire.log.notes import signed
from tocsin.wire.log.policies import Policy
from tocsin.wire.log.tiles import Tile

ORIGIN = "tocsin/7c1f0a52d0e8b936/acme"


@dataclass
class Told:
    """What an org's log says: entries, and whatever follows from them."""

    entries: list[bytes]
    org: str = "acme"
    signer: LogSigner = field(default_factory=lambda: log_signer(ORIGIN))

    @classmethod
    def of(cls, count: int, org: str = "acme") -> "Told":
        return cls([b'{"id":"evt_%d","type":"tool_call"}' % n for n in range(count)], org)

    @property
    def leaves(self) -> list[bytes]:
        return [*map(chain.leaf, self.entries)]

    @property
    def lines(self) -> list[bytes]:
        hashes = [chain.genesis(self.org), *chain.extend(chain.genesis(self.org), self.leaves)]
        return [
            entries.line(SealedEvent(seq, entry, hashes[seq - 1], hashes[seq])).removesuffix(b"\n")
            for seq, entry in enumerate(self.entries, 1)
        ]

    def root(self, size: int) -> bytes:
        return Peaks().grown(self.leaves[:size])[0].root

    def note(self, size: int) -> bytes:
        text = Checkpoint(self.signer.key.name, size, self.root(size)).text
        return signed(text, [self.signer], 0).data

    def known(self, *sizes: int, name: str = "") -> list[Known]:
        policy = Policy.read(str(self.signer.key).encode())
        found = [judged(self.note(size), name or f"kept {size}", policy) for size in sizes]
        return [each for each in found if isinstance(each, Known)]

    def tiles(self, own: "Told | None" = None) -> Tiles:
        """Return tiles: those of leaves are of ``own``, if it is given, as an owner leaves them."""

        def tile(asked: Tile) -> list[bytes]:
            leaves = (own or self).leaves if asked.level == 0 else self.leaves
            nodes, step = leaves, 1
            if asked.level:
                step = 256**asked.level
                starts = range(0, len(leaves) // step * step, step)
                nodes = [Peaks().grown(leaves[at : at + step])[0].root for at in starts]
            found = nodes[asked.index * 256 :][: asked.width]
            return found if len(found) == asked.width else []

        return tile


def audited(
    lines: Sequence[bytes], known: Sequence[Known], tiles: Tiles | None = None, **about: int
) -> Report:
    """Check the lines of acme's log."""
    audit = Audit("acme", known)
    for line in lines:
        audit.take(line)
    return audit.report(about.get("covers"), tiles)


def told(report: Report) -> list[tuple[str, int | None, int | None]]:
    """Return kind and place of each fault."""
    return [_told(finding) for finding in report.broken]


def _told(finding: Finding) -> tuple[str, int | None, int | None]:
    last = finding.seq if finding.until_seq is None else finding.until_seq
    return finding.kind, finding.seq, last
