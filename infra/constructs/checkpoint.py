"""The checkpoint function."""

from collections.abc import Sequence

from aws_cdk import Aws, Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.acknowledge import acknowledge
from infra.constructs.archive import HELD, LAST, Archive, adding
from infra.constructs.function import Function, Props
from infra.constructs.signals import Alarms, Emitted, graph
from infra.constructs.signing_key import SigningKey, allow_signing

__all__ = ["Checkpoint"]

_PERIOD = Duration.minutes(1)
_RUNS_A_PERIOD = 5  # of a metric


class Checkpoint(Function):
    """``functions/checkpoint``, every minute: signs what the ledgers of all orgs are.

    It runs no longer than until the next time, so that two are hardly ever at work: no concurrency
    is reserved for that, and of two that are, one commits.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        props: Props,
        key: SigningKey,
        archive: Archive | None,
    ) -> None:
        """``key`` and ``archive`` are the environment's own, unless others are chosen."""
        tables, config = props.tables, props.config
        keys = config.signing_keys or (key.key_arn,)
        policy = "\n".join(f"witness {each}" for each in config.witnesses)
        bucket = archive.bucket_name if archive else config.archive_bucket
        super().__init__(
            scope,
            id,
            name="checkpoint",
            props=props,
            environment={
                **tables.environment,
                "TOCSIN_RETENTION_DAYS": str(config.retention_days),
                "TOCSIN_SIGNING_KEY": " ".join(keys),
                **({"TOCSIN_ARCHIVE": bucket} if bucket else {}),
                **({"TOCSIN_WITNESSES": policy} if policy else {}),
            },
            timeout=_PERIOD,
        )
        self._asks = bool(policy)
        self._sealed = Emitted(config, "fanout")("SealedEvents")
        held = ["BatchGetItem"] if bucket else []  # what is under a legal hold is read
        tables.allow(self, journal=["PutItem", *held], ledger=["Query", *held])
        tables.allow_querying(self, ["org", "tree#*", "checkpoint#*", "endpoint#*"])
        tables.allow_writing(self, ["tree#*"], ["GetItem"])
        tables.allow_writing(self, ["tree#*", "checkpoint#*"], ["PutItem"])
        allow_signing(self, keys, chosen=bool(config.signing_keys))
        if archive:
            archive.allow_adding(self)
        elif config.archive_bucket:
            self._allow_archiving(config.archive_bucket)
        self.run_every(_PERIOD)

    def _allow_archiving(self, bucket: str) -> None:
        """Let it add objects to a bucket, and read what it must, while that is this account's.

        How long each is kept is the bucket's own default, so that nothing more is asked for:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html
        """
        own = {"StringEquals": {"s3:ResourceAccount": Aws.ACCOUNT_ID}}
        for statement in adding(f"arn:{Aws.PARTITION}:s3:::{bucket}", own):
            self.add_to_role_policy(statement)
        why = "each log and checkpoint has a path of its own"
        paths = (f"arn:<AWS::Partition>:s3:::{bucket}/{each}" for each in ("*", LAST, HELD))
        acknowledge(self.own_role, {f"AwsSolutions-IAM5[Resource::{path}]": why for path in paths})

    def alarm(self, alarms: Alarms) -> None:
        """See :class:`~infra.constructs.signals.Watched`."""
        alarms.above("CheckpointBrokenOrgs", self.emitted("BrokenOrgs"), 0, _BROKEN)
        alarms.above("CheckpointErrors", self.metric_errors(), 0, _ERRORS, periods=3)
        runs = self.metric_invocations(period=Duration.minutes(15))
        alarms.silent("CheckpointGone", runs, _GONE, periods=2)
        # Whatever the reason: both metrics are there only while something happens.
        unsigned = cloudwatch.MathExpression(
            expression="IF(FILL(sealed, 0) > 0 AND FILL(signed, 0) == 0, 1, 0)",
            using_metrics={"sealed": self._sealed, "signed": self.emitted("Checkpoints")},
            label="events and no checkpoint",
            period=self._sealed.period,
        )
        alarms.above("Unsigned", unsigned, 0, _UNSIGNED, periods=3)
        if self._asks:
            most = _RUNS_A_PERIOD - 2  # in nearly every run, and not now and then
            alarms.above("WitnessesAway", self.emitted("WitnessesAway"), most, _AWAY, periods=3)

    def graphs(self) -> Sequence[cloudwatch.IWidget]:
        """See :class:`~infra.constructs.signals.Watched`."""
        found = [self.metric_errors(), self.emitted("BrokenOrgs")]
        found += [self.emitted("WitnessesAway")] if self._asks else []
        signed, events = (self.emitted(name) for name in ("Checkpoints", "CheckpointedEvents"))
        p50, p99 = (self.metric_duration(statistic=name) for name in ("p50", "p99"))
        return [
            graph("Checkpoints: runs", self.metric_invocations(), right=found),
            graph("Checkpoints: signed, and events in them", signed, right=[events]),
            graph("Checkpoints: milliseconds", p50, p99),
        ]


_BROKEN = (
    "An org's ledger is not what was signed of it, or can't be read, or a witness has seen another "
    "history of it: the checkpoint function's log says whose, and why. Treat it as tampering, "
    "before anything else: docs/operations.md, When verification fails. In the first two cases "
    "nothing more is signed for that org."
)
_ERRORS = (
    "Orgs get no checkpoints, or what a legal hold is to keep is not copied: the checkpoint "
    "function's log says which and why. Is the signing key enabled, the archive there? Nothing is "
    "lost: the next checkpoint covers what the missing ones would have."
)
_GONE = "The checkpoint function's schedule does not run: nothing is signed of any org."
_AWAY = (
    "For a quarter of an hour a witness has not cosigned for every org: the checkpoint function's "
    "log says who and why. Checkpoints are made all the same; readers whose policies ask for this "
    "witness don't trust the newest ones until it is back."
)
_UNSIGNED = (
    "Events are sealed, and for a quarter of an hour no checkpoint was signed: until there is one, "
    "whoever can write to the tables can change them unseen. See the checkpoint function's log."
)
