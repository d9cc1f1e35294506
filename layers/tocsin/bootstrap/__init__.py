"""Wires each deployable, one module each: settings in, a use case out. Only here settings are read.

``wire`` reads what it is not given: a function's variables, its DynamoDB client, its clock.
"""
