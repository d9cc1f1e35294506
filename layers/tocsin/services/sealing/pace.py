"""How often an org's projections are brought up to date, and for how long at a time.

A projected item costs a write however many events change it, so a run that is young has the next
one wait, whoever claimed it: how many are asked for does not decide what they cost.
"""

from typing import Final

from tocsin.domain.projection import Projected
from tocsin.ports.world import Clock

__all__ = ["EARLY_SECONDS", "Pace", "Turn"]

EARLY_SECONDS: Final = 1
"""What a message that is delayed may come before its time, which is in whole seconds."""

_SOON_SECONDS: Final = 1


class Pace:
    """What the orgs of one invocation share: the time that is left, and the clock."""

    def __init__(self, clock: Clock, every_seconds: int, left_ms: int) -> None:
        """An org's run begins ``every_seconds`` after its last one, and within ``left_ms``.

        Who is called by a message that is early need not come again.
        """
        self._clock = clock
        self._every_ms = (every_seconds - EARLY_SECONDS) * 1_000
        self._until_ms = clock.now_ms() + left_ms

    def turn(self, orgs_left: int) -> "Turn":
        """Return the next org's turn; there are so many that share the time, this one included."""
        now_ms = self._clock.now_ms()
        return Turn(self._clock, self._every_ms, now_ms + (self._until_ms - now_ms) // orgs_left)


class Turn:
    """One org's; ``wait_seconds`` after it there is more to do; 0: there is none.

    ``claimed_at_ms`` is the last run's that was claimed in it.
    """

    def __init__(self, clock: Clock, every_ms: int, until_ms: int) -> None:
        self._clock = clock
        self._every_ms = every_ms
        self._until_ms = until_ms
        self.claimed_at_ms = 0
        self.wait_seconds = 0

    def may_go_on(self, cursor: Projected, *, full: bool) -> bool:
        """Whether the next run may begin, or one that was claimed go on.

        If not, that is after ``wait_seconds``. A ``full`` one need not wait for the last one's age:
        nothing would be added to it. A claim from times to come is of a clock that was wrong.
        """
        now_ms = self._clock.now_ms()
        age_ms = now_ms - cursor.claimed_at_ms
        others = cursor.claimed_at_ms != self.claimed_at_ms
        if others and not full and 0 <= age_ms < self._every_ms:
            self.wait_seconds = -(-(self._every_ms - age_ms) // 1_000)
        elif now_ms >= self._until_ms:
            self.wait_seconds = _SOON_SECONDS
        return not self.wait_seconds
