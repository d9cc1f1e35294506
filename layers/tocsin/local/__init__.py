"""The whole product on one machine: what ``tocsin up`` starts, supervises and stops.

The deployed handlers run as they are. Around them stand a Lambda (:mod:`~tocsin.local.host`),
an API Gateway (:mod:`~tocsin.local.gateway`) and an event source mapping
(:mod:`~tocsin.local.poller`), each in a process of its own, with MiniStack as DynamoDB and a real
Valkey. Linux and macOS.
"""
