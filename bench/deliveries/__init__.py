"""What deliveries to endpoints cost, how many there are a second, and how soon they come."""

__all__ = ["main"]


def main() -> None:
    """Measure and print."""
    from bench.deliveries import cost, latency, model, rates
    from support.ministack import dynamodb_server

    latency.main()
    with dynamodb_server() as server:
        model.main(server)
        rates.main(server)
        cost.main(server)
