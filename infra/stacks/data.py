"""What must not be lost."""

from aws_cdk import CfnOutput, RemovalPolicy
from constructs import Construct

from infra.config import Config
from infra.constructs.tables import Tables
from infra.constructs.timers import Timers
from infra.stacks._stack import TocsinStack

__all__ = ["DataStack"]


class DataStack(TocsinStack):
    """The three tables, and the timers of what is in them."""

    def __init__(self, scope: Construct, *, config: Config) -> None:
        super().__init__(scope, "data", config=config, description="journal, ledger and state")
        self.tables = Tables(self, "Tables", removal=_REMOVAL[config.removal])
        for name, table in (
            ("JournalTable", self.tables.journal),
            ("LedgerTable", self.tables.ledger),
            ("StateTable", self.tables.state),
        ):
            self.keep(table.table_name, table.table_arn)
            about = f"TOCSIN_{name.removesuffix('Table').upper()}_TABLE of the command line"
            CfnOutput(self, name, value=table.table_name, description=about)
        self.timers = Timers(self, "Timers")
        self.keep(self.timers.queue.queue_url, self.timers.queue.queue_arn)
        self.keep(self.tables.journal.table_stream_arn, self.tables.ledger.table_stream_arn)


_REMOVAL = {"retain": RemovalPolicy.RETAIN, "destroy": RemovalPolicy.DESTROY}
