"""What the fan-out and the sweeper share: both seal and publish."""

from collections.abc import Sequence

from aws_cdk import Duration
from constructs import Construct

from infra.constructs.function import Function, Props
from infra.constructs.signals import Alarms
from infra.constructs.valkey import PUBLISHER

__all__ = ["Sealer"]

_SEALING = ("Query", "BatchGetItem", "PutItem", "UpdateItem")  # on the ledger


class Sealer(Function):
    """A function that may seal, and publish if there is a Valkey."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        name: str,
        props: Props,
        state: Sequence[str] = (),
        journal: Sequence[str] = (),
    ) -> None:
        """``state`` and ``journal`` are how it may read those tables."""
        tables, valkey = props.tables, props.valkey
        super().__init__(
            scope,
            id,
            name=name,
            props=props,
            # What ``tocsin.settings.FanoutSettings`` reads.
            environment={
                **tables.environment,
                "TOCSIN_RETENTION_DAYS": str(props.config.retention_days),
                **(valkey.environment(PUBLISHER) if valkey else {}),
            },
            timeout=Duration.seconds(60),
            memory_mb=1024,
            valkey=valkey,
        )
        tables.allow(self, journal=journal, ledger=_SEALING, state=state)
        tables.allow_writing(self, ["set-aside#*"], ["PutItem"])
        if not state:  # to know who was deleted
            tables.allow_writing(self, ["org"], ["GetItem"])
        self._publishes = valkey is not None
        if valkey is not None:
            valkey.allow(self, PUBLISHER)

    def alarm_sealing(
        self, alarms: Alarms, *, set_aside: str, broken: str, conflicts: str, unpublished: str
    ) -> None:
        """Add the alarms that every sealer has, under these ids."""
        count, above = self.emitted, alarms.above
        above(set_aside, count("SetAside"), 0, _SET_ASIDE)
        above(broken, count("BrokenOrgs"), 0, _BROKEN)
        above(conflicts, count("SealConflicts"), 100, _CONFLICTS, periods=3)
        if self._publishes:
            above(unpublished, count("Unpublished"), 0, _UNPUBLISHED, periods=3)


_SET_ASIDE = "A journal item could not be read and was passed over: `tocsin set-aside --all`."
_BROKEN = "An org is not sealed: the function's log names it and the reason; others go on."
_CONFLICTS = "Sealers get in each other's way: is a second one running?"
_UNPUBLISHED = "Valkey does not take what was sealed: streams are late by up to five seconds."
