"""What is assumed about the traffic, and about what can't be measured here."""

# The traffic.
EVENTS_PER_SECOND = 100
POLLS_PER_SECOND = 4  # of a stream, by Lambda, if the mapping has no batching window
WARM_UP_MS = 5_000  # at the beginning, which is not counted
KEYED_REQUESTS = 100  # with an idempotency key, at the end
WATCHED_HOURS = 168.0  # a month, of somebody who watches in office hours
TARGETS = {1: 3.50, 25: 0.35}  # dollars per million events, without storage and CloudFront

# What can't be measured here: round trips to DynamoDB and Valkey in the region, in milliseconds.
# AWS promises "single-digit milliseconds" for a call; a transaction prepares and commits.
CALL_MS = {
    "GetItem": 3.0,
    "Query": 4.0,
    "BatchGetItem": 5.0,
    "PutItem": 5.0,
    "UpdateItem": 5.0,
    "DeleteItem": 5.0,
    "TransactWriteItems": 12.0,
}
PUBLISH_MS = 1.0
SEND_MS = 10.0  # a message to SQS
SIGN_MS = 15.0  # a signature by KMS
WITNESS_MS = 200.0  # until the slowest witness has answered: all are asked at once, over HTTPS
TAIL_REQUESTS = 3  # to SQS for a message of its own: sent, received, deleted
IDLE_RECEIVES_PER_MINUTE = 15  # of a queue, by Lambda: five of its pollers wait 20 s each
CPU_FACTOR = 1.0  # a Graviton core's time for what takes this machine's 1
FULL_CORE_MB = 1_769  # Lambda Developer Guide, "Configure Lambda function memory"
SAMPLED_PER_SECOND, SAMPLED_BEYOND = 1.0, 0.05  # X-Ray's rule for Lambda, which can't be changed
LOG_EVENT_BYTES = 26  # that CloudWatch Logs adds to each line's own
PLATFORM_LOG_BYTES = 700  # START and REPORT in JSON, where the system's log level lets them through
GATEWAY_STEP_BYTES = 512 * 1024
ITEM_OVERHEAD_BYTES = 100  # that DynamoDB's storage adds to each item
VALKEY_LEAST_GB = 0.1
SUBSCRIBERS = 1  # stream tasks that hear each message
BALANCER_CONNECTIONS = 3_000  # active ones that one LCU holds
SLOW_WINDOW_SECONDS = 60.0  # of project's mapping, for comparison
UTILISATION = 0.7  # of provisioned capacity, as DynamoDB's autoscaling aims for
HOURS, MONTH_SECONDS, GB = 730.0, 730 * 3600, 2**30
MILLION = 1_000_000
