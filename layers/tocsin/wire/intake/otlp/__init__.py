"""OpenTelemetry's protocol over HTTP (OTLP/HTTP 1.x): spans and log records become events.

https://opentelemetry.io/docs/specs/otlp/#otlphttp. The two encodings end in the same
:class:`~tocsin.wire.intake.otlp.record.Record`, and what a record says in the words of one of the
conventions becomes an event in :mod:`~tocsin.wire.intake.otlp.events`.
"""
