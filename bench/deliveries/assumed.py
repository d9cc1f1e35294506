"""What is assumed where an account would have to be measured. All times are milliseconds."""

from typing import Final

RECEIVER_MS: Final = 50
"""Until a receiver has answered, over a connection that is kept: half of it is the way there."""

HANDSHAKES_MS: Final = 60
"""Until a new connection can be used: TCP's handshake and TLS 1.3's, at 30 ms a round trip."""

BARS_USD: Final = 1.0  # a million deliveries
BAR_SECONDS: Final = 2.0  # from seal to POST

# Typical, and of one in a hundred. A stream is polled four times a second: the Lambda Developer
# Guide, https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html
WARM_START_MS: Final = (5.0, 50.0)
# https://github.com/lukehoban/lambdaperf: from a function's message to the function it invokes,
# about 125 ms each time, sending included.
SQS_MS: Final = (115.0, 300.0)
CALL_P99: Final = 4.0  # times the typical time of a call to DynamoDB or SQS
NETWORK_P99: Final = 4.0  # times the typical time of handshakes and way
