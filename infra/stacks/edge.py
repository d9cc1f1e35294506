"""The one address."""

from aws_cdk import CfnOutput, Duration, Fn
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from constructs import Construct

from infra.acknowledge import acknowledge
from infra.config import Config
from infra.constructs.dashboard import Dashboard
from infra.constructs.gateway import Gateway
from infra.constructs.page_headers import page_headers
from infra.constructs.stream import StreamHost
from infra.stacks._stack import TocsinStack

__all__ = ["EdgeStack"]

# What reads the log or waits. The rest is the API's.
STREAMED = (
    "/api/v1/events*",
    "/api/v1/agents/*/events",
    "/v1/events*",
    "/v1/audit/*",
    "/v1/log/*",
    "/api/v1/detection/*",
    "/v1/stream-tickets",
    "/v1/approvals/*/decision",
    "/api/kavach/*",
    "/healthz",
)


class EdgeStack(TocsinStack):
    """CloudFront in front of API and streams, of which nothing is cached, and of the dashboard."""

    def __init__(
        self,
        scope: Construct,
        *,
        config: Config,
        gateway: Gateway,
        stream: StreamHost,
        dashboard: Dashboard,
    ) -> None:
        super().__init__(scope, "edge", config=config, description="CloudFront")
        api = origins.HttpOrigin(
            Fn.select(2, Fn.split("/", gateway.url)), read_timeout=Duration.seconds(30)
        )
        to_stream = _behaviour(stream.origin())
        certificate = None
        if config.certificate:
            arn = config.certificate
            certificate = acm.Certificate.from_certificate_arn(self, "Certificate", arn)
        distribution = cloudfront.Distribution(
            self,
            "Distribution",
            comment=f"Tocsin {config.environment}",
            domain_names=[config.domain] if config.domain else None,
            certificate=certificate,
            default_behavior=_behaviour(api),
            additional_behaviors=dict.fromkeys(STREAMED, to_stream) | self._page(config, dashboard),
            default_root_object="index.html",
            http_version=cloudfront.HttpVersion.HTTP2_AND_3,
            price_class=cloudfront.PriceClass.PRICE_CLASS_ALL,
        )
        _acknowledge(distribution)
        own = distribution.distribution_domain_name
        url = f"https://{config.domain or own}"
        CfnOutput(self, "Url", value=url, description="The one address: dashboard, API, streams")
        CfnOutput(self, "Target", value=own, description="What a domain's alias or CNAME names")

    def _page(self, config: Config, dashboard: Dashboard) -> dict[str, cloudfront.BehaviorOptions]:
        """Return who answers for the page, by path.

        The page's scripts are named by its headers, so both change at once: with the distribution,
        which leads to the folder of this build's index.html. Assets of earlier builds stay.
        """
        name = f"tocsin-{config.environment}-{config.region}"  # CloudFront has no regions
        access = cloudfront.S3OriginAccessControl(
            self, "PageAccess", origin_access_control_name=name
        )
        headers = page_headers(self, dashboard.headers, name=name)

        def behaviour(folder: str | None) -> cloudfront.BehaviorOptions:
            return cloudfront.BehaviorOptions(
                origin=origins.S3BucketOrigin.with_bucket_defaults(
                    dashboard.bucket,
                    origin_path=folder,
                    origin_access_control_id=access.origin_access_control_id,
                ),
                allowed_methods=cloudfront.AllowedMethods.ALLOW_GET_HEAD,
                # As long as the files' Cache-Control says; index.html's is a second.
                cache_policy=cloudfront.CachePolicy.CACHING_OPTIMIZED,
                response_headers_policy=headers,
                # Nothing secret is in these requests: the sign-in's cookie is for HTTPS alone.
                viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
                compress=True,
            )

        index = behaviour(f"/{dashboard.page}")
        # Whether the root is looked up by its own name or by that of the object, both lead here.
        return {"/": index, "/index.html": index, "/assets/*": behaviour(None)}


def _behaviour(origin: cloudfront.IOrigin) -> cloudfront.BehaviorOptions:
    return cloudfront.BehaviorOptions(
        origin=origin,
        allowed_methods=cloudfront.AllowedMethods.ALLOW_ALL,
        cache_policy=cloudfront.CachePolicy.CACHING_DISABLED,
        origin_request_policy=cloudfront.OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
        # A redirect would come too late: an API key has been sent in the clear by then.
        viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
        compress=False,  # compressing would hold data back
    )


def _acknowledge(distribution: cloudfront.Distribution) -> None:
    acknowledge(
        distribution,
        {
            "AwsSolutions-CFR1": "agents are wherever they are",
            "AwsSolutions-CFR2": "a firewall is the account's choice; every request needs a key",
            "AwsSolutions-CFR3": "its log would hold query strings, and with them keys",
            "AwsSolutions-CFR4": "CloudFront's own domain name has no minimum of ours",
        },
    )
