"""ElastiCache Serverless for Valkey, opened by IAM alone."""

from collections.abc import Mapping, Sequence

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticache as elasticache
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.config import Config
from infra.constructs.network import Network
from infra.constructs.signals import Alarms, graph

__all__ = ["PUBLISHER", "SUBSCRIBER", "Valkey"]

_ENGINE = "valkey"
_PORT = 6379

# What each may do: on Tocsin's channels only, and on no key. https://valkey.io/topics/acl/
# Serverless caches speak the cluster's protocol, in which a client may take a channel for one of
# its shard's: https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/SupportedCommands.html
PUBLISHER, SUBSCRIBER = "publisher", "subscriber"
_ACCESS = {
    PUBLISHER: "on resetchannels &tocsin:v1:* -@all +ping +publish +spublish",
    SUBSCRIBER: "on resetchannels &tocsin:v1:* -@all +ping +subscribe +unsubscribe "
    "+ssubscribe +sunsubscribe",
}


class Valkey(Construct):
    """A cache that keeps nothing: pub/sub. Always encrypted, in transit too; no password exists."""

    def __init__(self, scope: Construct, id: str, *, config: Config, network: Network) -> None:
        """Create the cache, its users and the security group of its clients."""
        super().__init__(scope, id)
        self.vpc, self.subnets = network.vpc, network.isolated
        self.name = f"tocsin-{config.environment}"
        self.clients = ec2.SecurityGroup(
            self, "Clients", vpc=self.vpc, description="May reach Valkey"
        )
        servers = ec2.SecurityGroup(
            self, "Servers", vpc=self.vpc, description="Valkey", allow_all_outbound=False
        )
        servers.add_ingress_rule(self.clients, ec2.Port.tcp(_PORT))
        self._users = {
            role: elasticache.CfnUser(
                self,
                role.capitalize(),
                engine=_ENGINE,
                # For IAM the two must be equal, and in lower case.
                user_id=f"{self.name}-{role}",
                user_name=f"{self.name}-{role}",
                access_string=access,
                authentication_mode={"Type": "iam"},
            )
            for role, access in _ACCESS.items()
        }
        group = elasticache.CfnUserGroup(
            self,
            "Users",
            engine=_ENGINE,
            user_group_id=self.name,
            user_ids=[user.ref for user in self._users.values()],
        )
        self._cache = elasticache.CfnServerlessCache(
            self,
            "Cache",
            engine=_ENGINE,
            major_engine_version="8",
            serverless_cache_name=self.name,
            description="Tells the stream service what was just sealed",
            subnet_ids=self.vpc.select_subnets(subnet_type=self.subnets.subnet_type).subnet_ids,
            security_group_ids=[servers.security_group_id],
            user_group_id=group.ref,
            cache_usage_limits=elasticache.CfnServerlessCache.CacheUsageLimitsProperty(
                # Nothing is stored, so only the minimum is paid for.
                data_storage=elasticache.CfnServerlessCache.DataStorageProperty(
                    unit="GB", maximum=1
                )
            ),
        )

    def alarm(self, alarms: Alarms) -> None:
        """See :class:`~infra.constructs.signals.Watched`."""
        alarms.above("ValkeyThrottled", self._metric("ThrottledCmds"), 0, _THROTTLED, periods=3)
        refused = self._metric("AuthenticationFailures")
        alarms.above("ValkeyRefuses", refused, 0, _REFUSES, periods=3)
        forbidden = self._metric("CommandAuthorizationFailures")
        alarms.above("ValkeyForbids", forbidden, 0, _FORBIDS, periods=3)

    def graphs(self) -> Sequence[cloudwatch.IWidget]:
        """See :class:`~infra.constructs.signals.Watched`."""
        return [
            graph("Valkey: connections", self._metric("CurrConnections")),
            graph("Valkey: units", self._metric("ElastiCacheProcessingUnits")),
            graph("Valkey: bytes", self._metric("NetworkBytesIn"), self._metric("NetworkBytesOut")),
        ]

    def _metric(self, name: str) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace="AWS/ElastiCache",
            metric_name=name,
            dimensions_map={"clusterId": self.name},
            statistic=cloudwatch.Stats.SUM,
        )

    def environment(self, role: str) -> Mapping[str, str]:
        """Return a client's variables: the address, and the user and cache for its token."""
        return {
            "TOCSIN_VALKEY_URL": f"valkeys://{self._cache.attr_endpoint_address}:{_PORT}",
            "TOCSIN_VALKEY_IAM_USER": self._users[role].user_id,
            "TOCSIN_VALKEY_CACHE_NAME": self.name,
        }

    def allow(self, who: iam.IGrantable, role: str) -> None:
        """Let it connect as the user of this role."""
        user = Stack.of(self).format_arn(
            service="elasticache",
            resource="user",
            resource_name=self._users[role].user_id,
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        iam.Grant.add_to_principal(
            grantee=who,
            actions=["elasticache:Connect"],
            resource_arns=[self._cache.attr_arn, user],
        )


_THROTTLED = "Valkey scales slower than its load grows: streams are late by up to five seconds."
_FORBIDS = "Valkey forbids a command or channel: its users' access strings lack what clients call."
_REFUSES = "Valkey refuses an IAM token: streams are late by up to five seconds."
