"""What the services need of the world. Adapters and the tests' fakes implement these.

All but :class:`Feed` are synchronous; the stream service calls them in threads. Every store method
raises :class:`~tocsin.domain.errors.Busy` when the store throttles or does not answer.
"""
