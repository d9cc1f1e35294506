"""What must not be lost."""

from aws_cdk import CfnOutput, RemovalPolicy
from constructs import Construct

from infra.config import Config
from infra.constructs.archive import Archive
from infra.constructs.queues import Queues
from infra.constructs.signing_key import SigningKey
from infra.constructs.tables import Tables
from infra.profile import Profile
from infra.stacks._stack import TocsinStack

__all__ = ["DataStack"]


class DataStack(TocsinStack):
    """The three tables, the key that signs what they are and where that is kept, and the queues.

    The queues say what is to be looked at in the tables.
    """

    def __init__(self, scope: Construct, *, config: Config, profile: Profile) -> None:
        super().__init__(scope, "data", config=config, description="journal, ledger and state")
        removal = _REMOVAL[config.removal]
        self.tables = Tables(self, "Tables", removal=removal)
        for name, table in (
            ("JournalTable", self.tables.journal),
            ("LedgerTable", self.tables.ledger),
            ("StateTable", self.tables.state),
        ):
            self.keep(table.table_name, table.table_arn)
            about = f"TOCSIN_{name.removesuffix('Table').upper()}_TABLE of the command line"
            CfnOutput(self, name, value=table.table_name, description=about)
        self.signing_key = SigningKey(self, "Signing", spec=profile.signing_key, removal=removal)
        self.keep(self.signing_key.key_arn)
        about = "The key that signs checkpoints: its public half is for whoever checks them"
        CfnOutput(self, "SigningKey", value=self.signing_key.key_arn, description=about)
        self.archive: Archive | None = None
        if config.archive != "none":
            self.archive = Archive(self, "Archive", config=config)
            self.keep(self.archive.bucket_name, self.archive.bucket_arn)
            about = "Checkpoints and leaves, which nobody can remove before their time"
            CfnOutput(self, "ArchiveBucket", value=self.archive.bucket_name, description=about)
        self.queues = Queues(self)
        for each in self.queues.all:
            self.keep(each.queue.queue_url, each.queue.queue_arn)
        self.keep(self.tables.journal.table_stream_arn, self.tables.ledger.table_stream_arn)


_REMOVAL = {"retain": RemovalPolicy.RETAIN, "destroy": RemovalPolicy.DESTROY}
