"""What goes out: each format makes the same :class:`~tocsin.domain.deliveries.Outgoing`."""
