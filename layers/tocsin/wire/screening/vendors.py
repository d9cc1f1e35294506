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
from string import ascii_lowercase
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
    ("aws_bedrock_key", _BASE64, 28, ("ABSK", "bedrock-api-key-")),
    ("aws_mws_key", "a-z0-9-", 44, ("amzn.mws.",)),
    ("gcp_api_key", _SLUG, 35, ("AIza",)),
    ("google_token", _DOTTED, 20, ("ya29.", "GOCSPX-", "1//0")),
    ("anthropic_key", _SLUG, 16, ("sk-ant-",)),
    ("openai_key", _SLUG, 20, ("sk-",)),
    ("github_token", _DOTTED, 36, ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")),
    ("github_token", _WORD, 22, ("github_pat_",)),
    (
        "gitlab_token",
        _DOTTED,
        20,
        tuple(f"gl{it}-" for it in ("pat", "dt", "rt", "cbt", "ptt", "ft", "soat", "imt", "agent")),
    ),
    ("slack_token", _SLUG, 10, ("xapp-", "xoxe.", *(f"xox{it}-" for it in ascii_lowercase))),
    ("stripe_key", _ALNUM, 16, tuple(f"{it}k_{of}_" for it in "prs" for of in ("live", "test"))),
    ("webhook_secret", _BASE64, 24, ("whsec_",)),
    ("huggingface_token", _SLUG, 30, ("hf_", "api_org_")),
    ("npm_token", _SLUG, 36, ("npm_",)),
    ("pypi_token", _SLUG, 80, ("pypi-",)),
    ("rubygems_key", "a-f0-9", 48, ("rubygems_",)),
    ("docker_token", _SLUG, 20, ("dckr_pat_", "dckr_oat_")),
    ("sendgrid_key", _DOTTED, 33, ("SG.",)),
    ("twilio_key", "a-fA-F0-9", 32, ("SK", "AC")),
    ("digitalocean_token", "a-f0-9", 64, tuple(f"do{it}_v1_" for it in "oprs")),
    (
        "shopify_token",
        "a-fA-F0-9",
        32,
        tuple(f"shp{it}_" for it in ("at", "ca", "pa", "ss", "tka")),
    ),
    ("groq_key", _SLUG, 24, ("gsk_",)),
    ("xai_key", _SLUG, 40, ("xai-",)),
    ("perplexity_key", _SLUG, 40, ("pplx-",)),
    ("replicate_token", _ALNUM, 30, ("r8_",)),
    ("nvidia_key", _SLUG, 40, ("nvapi-",)),
    ("langsmith_key", _WORD, 32, ("lsv2_pt_", "lsv2_sk_")),
    ("vault_token", _SLUG, 24, ("hvs.", "hvb.", "hvr.")),
    ("grafana_token", _BASE64, 32, ("glsa_", "glc_")),
    ("sentry_token", _BASE64, 40, ("sntrys_", "sntryu_")),
    ("linear_key", _ALNUM, 32, ("lin_api_", "lin_oauth_")),
    ("notion_token", _SLUG, 40, ("ntn_", "secret_")),
    ("supabase_key", _SLUG, 20, ("sbp_", "sb_secret_")),
    ("databricks_token", "a-f0-9", 32, ("dapi",)),
    ("atlassian_token", _BASE64, 60, ("ATATT3", "ATCTT3")),
    ("postman_key", _SLUG, 26, ("PMAK-", "PMAT-")),
    (
        "doppler_token",
        _ALNUM,
        40,
        tuple(f"dp.{it}." for it in ("pt", "st", "ct", "sa", "scim", "audit")),
    ),
    ("tavily_key", _SLUG, 32, ("tvly-",)),
    ("together_key", _SLUG, 40, ("tgp_v1_",)),
    ("llamacloud_key", _SLUG, 48, ("llx-",)),
    ("alibaba_key", _ALNUM, 12, ("LTAI",)),
    ("aws_appsync_key", "a-z0-9", 26, ("da2-",)),
    ("cloudflare_token", _ALNUM, 40, ("cfat_", "cfut_", "cfk_")),
    (
        "tailscale_key",
        _SLUG,
        40,
        tuple(f"tskey-{it}-" for it in ("api", "auth", "client", "scim", "webhook")),
    ),
    ("heroku_key", _SLUG, 36, ("HRKU-",)),
    ("vercel_token", _ALNUM, 56, ("vcp_",)),
    ("netlify_token", _ALNUM, 36, ("nfp_",)),
    ("planetscale_token", _DOTTED, 32, tuple(f"pscale_{it}_" for it in ("tkn", "oauth", "pw"))),
    ("newrelic_key", _SLUG, 19, ("NRAK-", "NRBR-", "NRII-", "NRJS-")),
    ("figma_token", _SLUG, 40, ("figd_",)),
    ("airtable_token", _DOTTED, 79, ("pat",)),
    ("contentful_token", _SLUG, 43, ("CFPAT-",)),
    ("pulumi_token", "a-f0-9", 40, ("pul-",)),
    ("brevo_key", _SLUG, 64, ("xkeysib-",)),
    ("sonarqube_token", "a-f0-9", 40, ("sqa_", "sqp_", "squ_")),
    ("sourcegraph_token", "a-f0-9_", 40, ("sgp_", "sgp_local_")),
    ("posthog_key", _ALNUM, 40, tuple(f"ph{it}_" for it in "acrsx")),
    ("typeform_token", _SLUG, 56, ("tfp_",)),
    ("circleci_token", _WORD, 60, ("CCIPAT_",)),
    ("square_token", _SLUG, 22, ("sq0atp-", "sq0csp-", "sq0idp-")),
    ("square_token", _SLUG, 60, ("EAAA",)),
    ("facebook_token", _ALNUM, 80, ("EAA",)),
    ("instagram_token", _SLUG, 100, ("IGQVJ",)),
    ("docker_swarm_token", _SLUG, 43, ("SWMTKN-1-", "SWMKEY-1-")),
    ("dynatrace_token", _DOTTED, 80, tuple(f"dt0{it}0" for it in "cst")),
    ("nylas_key", _SLUG, 64, ("nyk_v0_",)),
    ("akamai_credential", "a-z0-9-", 33, ("akab-",)),
    ("clojars_token", "a-f0-9", 60, ("CLOJARS_",)),
    ("defined_key", "A-Z0-9-", 79, ("dnkey-",)),
    ("dropbox_token", _DOTTED, 77, ("sl.",)),
    ("jfrog_token", _SLUG, 55, ("AKCp", "cmVmdGtuO")),
    ("bitbucket_token", _ALNUM, 32, ("ATBB",)),
    ("mailgun_key", "a-z0-9", 32, ("key-",)),
    ("nuget_key", "a-z0-9", 43, ("oy2",)),
    ("paypal_token", "a-z0-9$", 49, ("access_token$production$",)),
    ("riot_key", "a-f0-9-", 36, ("RGAPI-",)),
    ("wakatime_key", "a-f0-9-", 36, ("waka_",)),
    ("wundergraph_key", "a-f0-9", 32, ("cosmo_",)),
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
_TERRAFORM: Final = r"[A-Za-z0-9_-]{14}\.atlasv1\.[A-Za-z0-9_-]{60}"
_TELEGRAM: Final = r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}"
_SIGNED: Final = r"[?&](?:sig|X-Amz-Signature)=[A-Za-z0-9%+/=]{30,}"  # of Azure's and AWS' links
_ANY: Final = f"(?:{_alternatives()}|{_TOCSIN}|{_AZURE}|{_TERRAFORM}|{_TELEGRAM})"
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
    token = text[at:end]
    kinds = {b"Q~": "azure_secret", b".atlasv1.": "terraform_token"}
    return at, next((kind for it, kind in kinds.items() if it in token), "telegram_token")
