"""The key that signs checkpoints."""

from collections.abc import Sequence

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

__all__ = ["SigningKey", "allow_signing"]

# Of whole messages, as signed notes have it; there are prehashed ones.
_ED25519, _ML_DSA = "ED25519_SHA_512", "ML_DSA_SHAKE_256"


class SigningKey(kms.Key):
    """An Ed25519 key, whose private half never leaves AWS KMS.

    Its policy is AWS' default: the account decides by IAM who uses it, and can't lose it.
    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html

    It is not rotated, which KMS does with symmetric keys alone. What it signed can be checked by
    its public key for ever, also when it is gone; but nobody can sign in its place then.
    https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html
    """

    def __init__(
        self, scope: Construct, id: str, *, spec: kms.KeySpec, removal: RemovalPolicy
    ) -> None:
        """Create it; it goes with its stack only if ``removal`` says so, and a month later."""
        super().__init__(
            scope,
            id,
            description="Tocsin: signs checkpoints",
            key_spec=spec,
            key_usage=kms.KeyUsage.SIGN_VERIFY,
            pending_window=Duration.days(30),  # the longest: a key that waits to go costs nothing
            removal_policy=removal,
        )


def allow_signing(who: iam.IGrantable, keys: Sequence[str], *, chosen: bool) -> None:
    """Let it sign with these keys, in the one way that is used, and read their public halves.

    Those that were ``chosen`` may be of ML-DSA-44, too: each signs in the ways of its spec alone.

    https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html
    """
    iam.Grant.add_to_principal(
        grantee=who,
        actions=["kms:Sign"],
        resource_arns=[*keys],
        conditions={
            "StringEquals": {"kms:SigningAlgorithm": [_ED25519, _ML_DSA] if chosen else _ED25519}
        },
    )
    iam.Grant.add_to_principal(grantee=who, actions=["kms:GetPublicKey"], resource_arns=[*keys])
