"""The three tables, as the adapters expect them."""

from collections.abc import Mapping, Sequence

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from constructs import Construct

__all__ = ["Tables"]

_S, _N = dynamodb.AttributeType.STRING, dynamodb.AttributeType.NUMBER


class Tables(Construct):
    """Journal, ledger and state: on demand, encrypted, restorable to any second of 35 days."""

    def __init__(self, scope: Construct, id: str, *, removal: RemovalPolicy) -> None:
        """Create the tables; they can be deleted only if ``removal`` says so."""
        super().__init__(scope, id)
        self._removal = removal
        self.journal = self._table("Journal", ("org", _S), ("batch", _S), stream=True, ttl=True)
        self.ledger = self._table("Ledger", ("pk", _S), ("sk", _N), stream=True, ttl=False)
        self.state = self._table("State", ("pk", _S), ("sk", _S), stream=False, ttl=True)

    @property
    def environment(self) -> Mapping[str, str]:
        """What ``tocsin.settings.StoreSettings`` reads."""
        return {
            "TOCSIN_JOURNAL_TABLE": self.journal.table_name,
            "TOCSIN_LEDGER_TABLE": self.ledger.table_name,
            "TOCSIN_STATE_TABLE": self.state.table_name,
        }

    def allow(
        self,
        who: iam.IGrantable,
        *,
        journal: Sequence[str] = (),
        ledger: Sequence[str] = (),
        state: Sequence[str] = (),
    ) -> None:
        """Grant actions by their names (``Query``). Transactions need only their parts'.

        In the state table these should only read: it holds the keys and quotas of all orgs.
        """
        tables = ((self.journal, journal), (self.ledger, ledger), (self.state, state))
        for table, actions in tables:
            if actions:
                table.grant(who, *(f"dynamodb:{action}" for action in actions))

    def allow_writing(
        self, who: iam.IGrantable, kinds: Sequence[str], actions: Sequence[str]
    ) -> None:
        """Let it write these kinds of items, and no others, in the state table.

        A kind is a partition key as its adapter makes it, with ``*`` for the org: ``quota#*``. Each
        of the actions names its item's key, without which the condition would hold for all:
        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
        """
        iam.Grant.add_to_principal(
            grantee=who,
            actions=[f"dynamodb:{action}" for action in actions],
            resource_arns=[self.state.table_arn],
            conditions={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [*kinds]}},
        )

    def allow_querying(self, who: iam.IGrantable, kinds: Sequence[str]) -> None:
        """Let it query these kinds of items, and no others, in the state table."""
        self.allow_writing(who, kinds, ["Query"])

    def _table(
        self,
        id: str,
        partition: tuple[str, dynamodb.AttributeType],
        sort: tuple[str, dynamodb.AttributeType],
        *,
        stream: bool,
        ttl: bool,
    ) -> dynamodb.Table:
        return dynamodb.Table(
            self,
            id,
            partition_key=dynamodb.Attribute(name=partition[0], type=partition[1]),
            sort_key=dynamodb.Attribute(name=sort[0], type=sort[1]),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.DEFAULT,  # with a key that AWS owns: free of charge
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            stream=dynamodb.StreamViewType.NEW_IMAGE if stream else None,
            time_to_live_attribute="expires_at" if ttl else None,
            removal_policy=self._removal,
            deletion_protection=self._removal is RemovalPolicy.RETAIN,
        )
