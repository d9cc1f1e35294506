"""The journal, the ledger and the state on DynamoDB tables: a module for each port."""

from tocsin.adapters.dynamodb._calls import client

__all__ = ["client"]
