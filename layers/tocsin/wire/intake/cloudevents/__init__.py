"""CloudEvents 1.0.2 over HTTP: binary, structured and batched, to events of ours.

``formats`` reads a request, ``attributes`` and ``content`` what one event says, ``events`` makes
one of ours of it. See https://github.com/cloudevents/spec/tree/v1.0.2/cloudevents.
"""
