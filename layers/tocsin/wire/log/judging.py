"""Whether a reader believes a checkpoint; and if not, why."""

from dataclasses import replace

from tocsin.wire.log.checkpoints import Checkpoint
from tocsin.wire.log.faults import BadFormat, BadSignature, NotTrusted
from tocsin.wire.log.findings import Finding, Kind, Known
from tocsin.wire.log.notes import Note
from tocsin.wire.log.policies import Policy

__all__ = ["judged"]


def judged(note: bytes, name: str, policy: Policy) -> Known | Finding | str:
    """Return what a signed note is to a reader with this policy; ``name`` is where it comes from.

    A text is why it can't be told: a log that is trusted has signed it, and those who are to have
    cosigned it have not, or not yet.
    """
    try:
        return Known(name, policy.check(note))
    except BadSignature as error:
        return Finding(Kind.OTHER_KEY, f"{name}: {error}")
    except BadFormat as error:
        return Finding(Kind.UNREADABLE, f"{name} is no checkpoint: {error}")
    except NotTrusted as error:
        reason = f"{name}: {error}"
    read = Note.read(note)
    origin = Checkpoint.read(read.text).origin
    try:
        replace(policy, quorum=None).check(note)
    except NotTrusted:
        if origin not in {log.key.name for log in policy.logs}:
            return Finding(Kind.OTHER_ORG, f"{name} is of the log {origin}, which is not trusted")
        by = ", ".join(f"{each.name}+{each.key_id.hex()}" for each in read.signatures[:3])
        return Finding(Kind.OTHER_KEY, f"{reason}: it has the signature of {by}")
    return reason
