"""Wires the deployables, one module each: settings in, a use case out. Only here are settings read.

``wire`` makes what it is not given: the settings, the DynamoDB client, the clock, the broker.
"""
