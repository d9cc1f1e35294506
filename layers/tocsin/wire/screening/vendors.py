"""Keys and tokens that are known by how they begin, as those who issue them document it.

Each is a beginning and then a number of characters of one class. Sources: GitHub's
https://docs.github.com/en/code-security/secret-scanning, GitLab's
https://docs.gitlab.com/security/tokens/#token-prefixes, Slack's
https://docs.slack.dev/authentication/tokens, AWS'
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html, and the rules of
gitleaks (https://github.com/gitleaks/gitleaks) and secretlint
(https://github.com/secretlint/secretlint).
"""

from itertools import groupby
from typing import Final

from tocsin.wire.screening.engine import BEFORE, Found, compiled, spans

__all__ = ["TOKENS", "tokens"]

_ALNUM: Final = "A-Za-z0-9"
_WORD: Final = "A-Za-z0-9_"
_SLUG: Final = "A-Za-z0-9_-"
_DOTTED: Final = "A-Za-z0-9_.-"
_BASE64: Final = "A-Za-z0-9+/=_-"

# kind, class, at least so many of it, beginnings
_ROWS: Final[tuple[tuple[str, str, int, tuple[str, ...]], ...]] = (
    ("aws_access_key", "A-Z0-9", 16, ("AKIA", "ASIA", "ABIA", "ACCA")),
    ("aws_bedrock_key", _BASE64, 40, ("ABSK", "bedrock-api-key-")),
    ("gcp_api_key", _SLUG, 35, ("AIza",)),
    ("google_token", _DOTTED, 20, ("ya29.", "GOCSPX-", "1//0")),
    ("anthropic_key", _SLUG, 16, ("sk-ant-",)),
    ("openai_key", _SLUG, 20, ("sk-",)),
    ("github_token", _WORD, 36, ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")),
    ("github_token", _WORD, 22, ("github_pat_",)),
    (
        "gitlab_token",
        _DOTTED,
        20,
        tuple(f"gl{it}-" for it in ("pat", "dt", "rt", "cbt", "ptt", "ft", "soat", "imt", "agent")),
    ),
    ("slack_token", _SLUG, 10, ("xapp-", "xoxe.", *(f"xox{it}-" for it in "abeoprsc"))),
    ("stripe_key", _ALNUM, 16, ("sk_live_", "sk_test_", "rk_live_", "rk_test_")),
    ("webhook_secret", _BASE64, 24, ("whsec_",)),
    ("huggingface_token", _ALNUM, 30, ("hf_", "api_org_")),
    ("npm_token", _ALNUM, 36, ("npm_",)),
    ("pypi_token", _SLUG, 50, ("pypi-AgE",)),
    ("rubygems_key", "a-f0-9", 48, ("rubygems_",)),
    ("docker_token", _SLUG, 20, ("dckr_pat_", "dckr_oat_")),
    ("sendgrid_key", _DOTTED, 60, ("SG.",)),
    ("twilio_key", "a-f0-9", 32, ("SK",)),
    ("digitalocean_token", "a-f0-9", 64, ("dop_v1_", "doo_v1_", "dor_v1_")),
    ("shopify_token", "a-fA-F0-9", 32, ("shpat_", "shpca_", "shppa_", "shpss_")),
    ("groq_key", _ALNUM, 40, ("gsk_",)),
    ("xai_key", _ALNUM, 40, ("xai-",)),
    ("perplexity_key", _ALNUM, 40, ("pplx-",)),
    ("replicate_token", _ALNUM, 30, ("r8_",)),
    ("nvidia_key", _SLUG, 40, ("nvapi-",)),
    ("langsmith_key", _WORD, 32, ("lsv2_pt_", "lsv2_sk_")),
    ("vault_token", _SLUG, 24, ("hvs.", "hvb.")),
    ("grafana_token", _BASE64, 32, ("glsa_", "glc_")),
    ("sentry_token", _BASE64, 40, ("sntrys_", "sntryu_")),
    ("linear_key", _ALNUM, 32, ("lin_api_", "lin_oauth_")),
    ("notion_token", _ALNUM, 40, ("ntn_", "secret_")),
    ("supabase_key", _SLUG, 20, ("sbp_", "sb_secret_")),
    ("databricks_token", "a-f0-9", 32, ("dapi",)),
    ("atlassian_token", _BASE64, 60, ("ATATT3", "ATCTT3")),
    ("postman_key", _SLUG, 40, ("PMAK-",)),
    ("doppler_token", _DOTTED, 40, ("dp.pt.", "dp.st.", "dp.ct.", "dp.sa.")),
    ("age_key", "A-Z0-9", 50, ("AGE-SECRET-KEY-1",)),
    ("onepassword_token", _BASE64, 100, ("ops_eyJ",)),
    (
        "slack_webhook",
        "A-Za-z0-9/",
        30,
        ("hooks.slack.com/services/", "hooks.slack.com/workflows/"),
    ),
    (
        "discord_webhook",
        "A-Za-z0-9/_-",
        60,
        ("discord.com/api/webhooks/", "discordapp.com/api/webhooks/"),
    ),
    ("aws_session_token", "A-Za-z0-9%+/=", 60, ("X-Amz-Security-Token=",)),
)

_KINDS: Final = sorted(
    (
        (b"tocsin_", "tocsin_key"),
        *((it.encode(), "signature") for it in ("?sig=", "&sig=", "?X-Amz-S", "&X-Amz-S")),
        *((start.encode(), kind) for kind, _, _, starts in _ROWS for start in starts),
    ),
    key=lambda row: (-len(row[0]), row),
)
_MUST_HAVE_A_DIGIT: Final = frozenset(
    {"openai_key", "anthropic_key", "slack_token", "notion_token", "supabase_key"}
)
"""Whose beginning is also one of words, as in ``sk-learn-compatible-estimators``."""


def _alternatives() -> str:
    rows = sorted(_ROWS, key=_form)
    return "|".join(
        f"(?:{'|'.join(_quoted(start) for row in same for start in row[3])})[{of}]{{{least},}}"
        for (of, least), same in groupby(rows, key=_form)
    )


def _form(row: tuple[str, str, int, tuple[str, ...]]) -> tuple[str, int]:
    return row[1], row[2]


def _quoted(text: str) -> str:
    return "".join(each if each.isalnum() or each == "_" else f"\\{each}" for each in text)


# Azure's have no beginning: three characters, and what all have in the middle.
# https://learn.microsoft.com/en-us/purview/sit-defn-client-secret-api-key
_AZURE: Final = r"[A-Za-z0-9_.~-]{3}[78]Q~[A-Za-z0-9_.~-]{31}"
_TOCSIN: Final = r"tocsin_[a-z0-9-]{1,64}_[a-z0-9-]{1,64}_[A-Za-z0-9]+"  # domain/keys.py
_TELEGRAM: Final = r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}"
_SIGNED: Final = r"[?&](?:sig|X-Amz-Signature)=[A-Za-z0-9%+/=]{30,}"  # of Azure's and AWS' links
_ANY: Final = f"(?:{_alternatives()}|{_TOCSIN}|{_AZURE}|{_TELEGRAM})"
TOKENS: Final = f"{BEFORE}{_ANY}|{_SIGNED}"
"""The pattern of all of them, with one character before."""

_TOKENS: Final = compiled(TOKENS)
_NEXT: Final = compiled(_ANY)


def tokens(text: bytes) -> list[Found]:
    """Return the keys and tokens in a text."""
    found = list[Found]()
    done = 0
    for start, end in spans(_TOKENS, text):
        if start < done:
            continue
        at, kind = _begins(text, start, end)
        if kind in _MUST_HAVE_A_DIGIT and not any(48 <= each <= 57 for each in text[at:end]):
            continue
        found.append((at, end, kind))
        # One may stand right behind another, whose marker will end it.
        while following := _NEXT.match(text, end):
            at, end = following.span()
            found.append((at, end, _begins(text, at, end)[1]))
        done = end
    return found


def _begins(text: bytes, start: int, end: int) -> tuple[int, str]:
    """Return where the token in a match begins, behind what may stand before, and its kind."""
    for at in (start, start + 1, start + 2, start + 6):
        for beginning, kind in _KINDS:
            if text.startswith(beginning, at, end):
                return at, kind
    at = start if chr(text[start]).isalnum() else start + 1
    return at, "azure_secret" if b"Q~" in text[at:end] else "telegram_token"
