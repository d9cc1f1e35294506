"""How long the journal keeps batches; the ledger keeps what it says of them for ever."""

from dataclasses import dataclass

__all__ = ["KEEPS_ALL", "Retention"]

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Retention:
    """What the journal may have dropped by now: batches older than ``days``; None: nothing."""

    now_ms: int
    days: int | None

    @property
    def expired_before_ms(self) -> int:
        """The Unix time in milliseconds before which a batch may have been dropped."""
        return 0 if self.days is None else self.now_ms - self.days * DAY_MS

    def may_lack(self, received_at_ms: int, kept_days: int | None) -> bool:
        """Whether a batch may be missing.

        ``kept_days`` is the retention under which it was stored, where that is known: a retention
        that is raised later brings nothing back.
        """
        if received_at_ms < self.expired_before_ms:
            return True
        return kept_days is not None and received_at_ms < self.now_ms - kept_days * DAY_MS


KEEPS_ALL = Retention(0, None)
