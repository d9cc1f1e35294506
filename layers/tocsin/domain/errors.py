"""The errors a caller can meet, in one hierarchy.

::

    TocsinError
    ├── Refused                    the request cannot be served as it is; ``code`` names the reason
    │   ├── Malformed              not JSON, not I-JSON, or not what the header says it is
    │   ├── Invalid                well-formed, but not an event; carries ``details``
    │   ├── Unauthenticated        no credential, or not a valid one
    │   ├── Forbidden              a valid credential that may not do this
    │   │   └── OrgSuspended       nobody of its org may do anything
    │   ├── NotFound
    │   ├── Conflict               an idempotency key used again with another body
    │   ├── Changed                what the request is about is not as its sender saw it
    │   ├── Over                   it was resolved before, or has expired
    │   ├── TooLarge               beyond a limit; the message says which and what to do
    │   ├── TooFar                 a dry run of more events than one request may look at
    │   ├── UnsupportedMedia
    │   ├── TooMany                more than one may; carries ``retry_after_seconds``
    │   │   ├── QuotaExhausted     the org's events of this month
    │   │   ├── LimitReached       an org or a key has as many of something open as it may
    │   │   └── TooOften           a key asks more often than it may
    │   └── Busy                   throttled or out of reach; carries ``retry_after_seconds``
    │       ├── Crowded            this process serves as many streams as it may
    │       ├── QueueFull          an org has as many pending approvals as it may
    │       ├── PartlyDone         a request of which a part is done; carries ``more``
    │       └── OutcomeUnknown     a write that may or may not have happened
    ├── HeadMoved                  another sealer committed first: read the head again
    ├── Poison                     a journal item that can never be read: set it aside
    └── IntegrityError             what is stored is not what was sealed; names the first bad seq
        └── UnreadableEndpoint     what is stored of an endpoint; says what could be read of it

Codes are stable, for programs; the messages beside them are for people, and may change:

================== ================= ======
class              code              status
================== ================= ======
Refused            REFUSED           400
Malformed          MALFORMED         400
Invalid            INVALID           400
Unauthenticated    UNAUTHORIZED      401
Forbidden          FORBIDDEN         403
OrgSuspended       ORG_SUSPENDED     403
NotFound           NOT_FOUND         404
Conflict           CONFLICT          409
Changed            CHANGED           409
Over               OVER              410
TooLarge           TOO_LARGE         413
TooFar             TOO_FAR           422
UnsupportedMedia   UNSUPPORTED_MEDIA 415
TooMany            TOO_MANY          429
QuotaExhausted     QUOTA_EXHAUSTED   429
LimitReached       LIMIT_REACHED     429
TooOften           TOO_OFTEN         429
Busy               BUSY              503
Crowded            CROWDED           503
QueueFull          QUEUE_FULL        503
PartlyDone         PARTLY_DONE       503
OutcomeUnknown     OUTCOME_UNKNOWN   503
IntegrityError     INTEGRITY         500
all others         INTERNAL          500
================== ================= ======

What HTTP itself refuses is ``METHOD_NOT_ALLOWED`` (405) and ``URI_TOO_LONG`` (414).

:mod:`tocsin.wire.problems` says which answers carry them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypedDict

__all__ = [
    "Busy",
    "Changed",
    "Conflict",
    "Crowded",
    "Detail",
    "Forbidden",
    "HeadMoved",
    "IntegrityError",
    "Invalid",
    "LimitReached",
    "Malformed",
    "NotFound",
    "OrgSuspended",
    "OutcomeUnknown",
    "Over",
    "PartlyDone",
    "Poison",
    "QueueFull",
    "QuotaExhausted",
    "Refused",
    "TocsinError",
    "TooFar",
    "TooLarge",
    "TooMany",
    "TooOften",
    "Unauthenticated",
    "UnreadableEndpoint",
    "UnsupportedMedia",
]


class Detail(TypedDict):
    """One thing that is wrong with one field, as Igris reports it."""

    field: str
    message: str


class TocsinError(Exception):
    """Base of every error that Tocsin raises on purpose."""


class Refused(TocsinError):
    """A request that is not served; the message tells its sender what to do next."""

    code: ClassVar[str] = "REFUSED"
    details: Sequence[Detail] = ()
    more: Mapping[str, Any] = {}  # further fields of the answer
    retry_after_seconds: int | None = None


class Malformed(Refused):
    """The body or a header cannot be parsed."""

    code = "MALFORMED"


class Invalid(Refused):
    """The body was parsed and breaks the schema; ``details`` says where."""

    code = "INVALID"

    def __init__(self, details: Sequence[Detail], message: str = "Validation failed") -> None:
        super().__init__(message)
        self.details = details


class Unauthenticated(Refused):
    """No credential, or one that is not valid, or no longer."""

    code = "UNAUTHORIZED"


class Forbidden(Refused):
    """The credential is valid and may not do this."""

    code = "FORBIDDEN"

    def __init__(self, message: str, details: Sequence[Detail] = ()) -> None:
        """``details`` names the fields that only Tocsin may set, where that is the reason."""
        super().__init__(message)
        self.details = details


class OrgSuspended(Forbidden):
    """The credential's org is suspended, or being deleted."""

    code = "ORG_SUSPENDED"


class NotFound(Refused):
    """There is no such thing in this org."""

    code = "NOT_FOUND"


class Conflict(Refused):
    """The idempotency key was used within 24 hours with another body."""

    code = "CONFLICT"


class Changed(Refused):
    """What the request is about is not (any more) as its sender saw it: read it again."""

    code = "CHANGED"


class Over(Refused):
    """What the request would change was resolved before, or has expired."""

    code = "OVER"


class TooLarge(Refused):
    """Beyond a documented limit."""

    code = "TOO_LARGE"


class TooFar(Refused):
    """More events would have to be looked at than one request may; the message says how to ask."""

    code = "TOO_FAR"


class UnsupportedMedia(Refused):
    """A content type or encoding that this route does not take."""

    code = "UNSUPPORTED_MEDIA"


class TooMany(Refused):
    """More than one may; there is room after ``retry_after_seconds``."""

    code = "TOO_MANY"

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class QuotaExhausted(TooMany):
    """The org's quota for this month is used up; it is renewed after ``retry_after_seconds``."""

    code = "QUOTA_EXHAUSTED"


class LimitReached(TooMany):
    """The org or the key has as many of something open as it may."""

    code = "LIMIT_REACHED"


class TooOften(TooMany):
    """The key makes more requests than it may; there is room after ``retry_after_seconds``."""

    code = "TOO_OFTEN"


class Busy(Refused):
    """A store throttled or did not answer; the same request may succeed later."""

    code = "BUSY"

    def __init__(self, message: str, retry_after_seconds: int = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Crowded(Busy):
    """This process serves as many streams as it may; try another one, or this one later."""

    code = "CROWDED"


class QueueFull(Busy):
    """The org has as many pending approvals as it may."""

    code = "QUEUE_FULL"


class PartlyDone(Busy):
    """A part of a request is done, and stays; ``more`` says what is not."""

    code = "PARTLY_DONE"

    def __init__(self, message: str, more: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.more = more


class OutcomeUnknown(Busy):
    """A write whose answer was lost: it may or may not have been stored."""

    code = "OUTCOME_UNKNOWN"


class HeadMoved(TocsinError):
    """A segment with this first seq exists: another sealer was faster."""


class Poison(TocsinError):
    """A journal item that no retry can make readable."""


class IntegrityError(TocsinError):
    """The stored bytes contradict the ledger; ``seq`` is the first bad one."""

    code: ClassVar[str] = "INTEGRITY"

    def __init__(self, org: str, seq: int, reason: str) -> None:
        super().__init__(f"ledger of {org!r} is broken at seq {seq}: {reason}")
        self.org = org
        self.seq = seq
        self.reason = reason


class UnreadableEndpoint(IntegrityError):
    """What is stored of an endpoint can't be read; ``url`` is its URL, if at least that could."""

    def __init__(self, org: str, id: str, reason: str, url: str = "") -> None:
        super().__init__(org, 0, reason)
        self.args = (
            f"the endpoint {id} can't be read ({reason}), and is sent nothing: remove it, and make "
            "another",
        )
        self.id = id
        self.url = url
