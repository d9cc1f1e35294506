"""The headers of a page, as CloudFront wants them."""

import hashlib
import json
from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_cloudfront as cloudfront
from constructs import Construct

__all__ = ["page_headers"]


def page_headers(
    scope: Construct, headers: Mapping[str, str], *, name: str
) -> cloudfront.ResponseHeadersPolicy:
    """Return a policy that adds these headers, and that the host is to be asked by HTTPS alone.

    Its name begins with ``name``, which is to be no other's in the account, whatever the region.

    It is never changed: other headers make another policy, so that a distribution takes them
    together with the page that they are for. CloudFront takes security headers in fields of their
    own, and as custom ones refuses them:
    https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/understanding-response-headers-policies.html

    Raises:
        KeyError: a security header is missing, or has a value for which CloudFront has no word.
        ValueError: ``X-Content-Type-Options`` is another than the only one there is.
    """
    given = dict(headers)
    policy = given.pop("Content-Security-Policy")
    frames = cloudfront.HeadersFrameOption[given.pop("X-Frame-Options")]
    referrer = given.pop("Referrer-Policy").upper().replace("-", "_")
    if given.pop("X-Content-Type-Options") != "nosniff":
        raise ValueError("X-Content-Type-Options: CloudFront sends nosniff and nothing else")
    security = cloudfront.ResponseSecurityHeadersBehavior(
        content_security_policy=cloudfront.ResponseHeadersContentSecurityPolicy(
            content_security_policy=policy, override=True
        ),
        content_type_options=cloudfront.ResponseHeadersContentTypeOptions(override=True),
        frame_options=cloudfront.ResponseHeadersFrameOptions(frame_option=frames, override=True),
        referrer_policy=cloudfront.ResponseHeadersReferrerPolicy(
            referrer_policy=cloudfront.HeadersReferrerPolicy[referrer], override=True
        ),
        # Of this host alone: what else is under its domain is not ours to shut.
        strict_transport_security=cloudfront.ResponseHeadersStrictTransportSecurity(
            access_control_max_age=Duration.days(365), override=True
        ),
    )
    custom = [
        cloudfront.ResponseCustomHeader(header=name, value=value, override=True)
        for name, value in given.items()
    ]
    digest = hashlib.sha256(json.dumps(headers, sort_keys=True).encode()).hexdigest()[:16]
    return cloudfront.ResponseHeadersPolicy(
        scope,
        f"PageHeaders{digest}",
        response_headers_policy_name=f"{name}-{digest}",
        security_headers_behavior=security,
        custom_headers_behavior=cloudfront.ResponseCustomHeadersBehavior(custom_headers=custom),
    )
