"""An org's settings as they are kept: what they are, and who set them last."""

from dataclasses import dataclass, field

from tocsin.domain.detect.settings import Settings

__all__ = ["KeptSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSettings:
    """Settings, by whom and when (Unix ms) they were set; of an org that set none the usual ones.

    ``change`` names the batch that tells of the last change; empty: there was none.
    """

    org: str
    settings: Settings = field(default_factory=Settings)
    by: str = ""
    at_ms: int = 0
    change: str = ""
