"""https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html"""

import json

import pytest

from tocsin.adapters.embedded_metrics import EmbeddedMetrics


def test_a_line_is_what_cloudwatch_makes_metrics_of(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = EmbeddedMetrics("tocsin-dev", "stream")
    metrics.put(1_774_000_020_000, {"Connections": 3, "SentBytes": 10, "StreamLagMs": [7, 9]})
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {
        "_aws": {
            "Timestamp": 1_774_000_020_000,
            "CloudWatchMetrics": [
                {
                    "Namespace": "tocsin-dev",
                    "Dimensions": [["service"]],
                    "Metrics": [
                        {"Name": "Connections", "Unit": "Count"},
                        {"Name": "SentBytes", "Unit": "Bytes"},
                        {"Name": "StreamLagMs", "Unit": "Milliseconds"},
                    ],
                }
            ],
        },
        "service": "stream",
        "Connections": 3,
        "SentBytes": 10,
        "StreamLagMs": [7, 9],
    }
