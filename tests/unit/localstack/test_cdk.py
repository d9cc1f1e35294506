"""What the CDK's helper makes of LocalStack's events."""

from support.cdk import fallbacks

REASON = "Resource type AWS::Cognito::UserPool is not supported but was deployed as a fallback"


def test_a_type_that_localstack_only_pretends_to_know_is_named_once() -> None:
    events = [
        {"LogicalResourceId": "Pool", "ResourceType": "AWS::Cognito::UserPool"} | more
        for more in ({}, {"ResourceStatusReason": REASON}, {"ResourceStatusReason": REASON})
    ]
    events.append(
        {
            "LogicalResourceId": "Queue",
            "ResourceType": "AWS::SQS::Queue",
            "ResourceStatusReason": "Resource creation initiated",
        }
    )
    assert fallbacks(events) == ["Pool (AWS::Cognito::UserPool)"]
