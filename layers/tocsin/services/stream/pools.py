"""The threads in which the stream service asks its stores."""

from tocsin.services.reading.threads import Threads

__all__ = ["Pools"]

READS, READS_PER_ORG = 4, 2  # each holds a batch, and what is rendered of it
ADMISSIONS = 8
HEADS, HEADS_PER_ORG = 4, 1
CHECKS = 32  # of the keys of open streams


class Pools:
    """Threads for each thing to do, so that none waits for another; health has its own."""

    def __init__(self) -> None:
        """Start none before there is something to do."""
        self.admissions = Threads("keys", ADMISSIONS)
        self.starts = Threads("starts", ADMISSIONS, READS_PER_ORG)
        self.heads = Threads("heads", HEADS, HEADS_PER_ORG)
        self.reads = Threads("reads", READS, READS_PER_ORG)
        self.checks = Threads("checks", CHECKS)

    def close(self) -> None:
        """Begin nothing more."""
        for each in (self.admissions, self.starts, self.heads, self.reads, self.checks):
            each.close()
