"""Having Tocsin check a ledger, some 20,000 events a request. No I/O."""

from dataclasses import dataclass
from typing import Final

import httpx
import orjson

from tocsin.client._asking import Question
from tocsin.client._errors import ApiError, not_tocsins

__all__ = ["Verified", "Verifying"]

_VERIFY: Final = "/v1/audit/verify"


@dataclass(frozen=True, slots=True)
class Verified:
    """What was checked: the seqs from ``first_seq`` to ``last_seq`` hold.

    Attributes:
        ok: Whether nothing else was found.
        first_bad_seq: The first that is not what was sealed; ``reason`` says in which way.
    """

    ok: bool
    first_seq: int
    last_seq: int
    first_bad_seq: int | None = None
    reason: str | None = None


class Verifying:
    """The requests for one verification, one after the other; ``found`` is of all so far."""

    def __init__(self, first_seq: int, last_seq: int | None) -> None:
        """Check from ``first_seq`` to ``last_seq``; None: to the end.

        Raises:
            ValueError: There is nothing between them.
        """
        if first_seq < 1 or (last_seq is not None and last_seq < first_seq):
            raise ValueError("seqs begin with 1, and the last is not before the first")
        self.found = Verified(True, first_seq, first_seq - 1)
        self._next: int | None = first_seq
        self._last_seq = last_seq

    @property
    def done(self) -> bool:
        """Whether there is nothing more to ask."""
        return self._next is None

    def question(self) -> Question:
        """Return the next request."""
        asked = {"from": self._next, "to": self._last_seq}
        params = {name: str(seq) for name, seq in asked.items() if seq is not None}
        return Question("GET", _VERIFY, params)

    def take(self, response: httpx.Response) -> Verified:
        """Take an answer, and return what is found so far.

        Raises:
            ApiError: Tocsin refused.
            httpx.RemoteProtocolError: What answered is not Tocsin.
        """
        if not response.is_success:
            raise ApiError(response)
        try:
            told = orjson.loads(response.content)
            ok, last_seq, bad_seq = told["ok"], int(told["to"]), told["first_bad_seq"]
            next = None if told["next"] is None else int(told["next"])
            found = Verified(bool(ok), self.found.first_seq, last_seq, bad_seq, told["reason"])
            if next is not None and (self._next is None or next <= self._next):
                raise ValueError("it does not go on")
        except (KeyError, TypeError, ValueError) as error:
            raise not_tocsins(response, "verification") from error
        self.found, self._next = found, next if found.ok else None
        return found
