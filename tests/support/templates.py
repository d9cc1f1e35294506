"""What ``cdk synth`` wrote, to be asked about."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

__all__ = ["WITNESS", "Resource", "Synthesize", "Templates"]

WITNESS = (
    "Ann ann.example/w+bafe662e+BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g"
    " https://ann.example/witness"
)
"""What the setting ``witnesses`` may have."""

type Resource = dict[str, Any]


@dataclass(frozen=True)
class Templates:
    """The templates of one configuration."""

    folder: Path
    by_part: dict[str, dict[str, Any]]  # "data", "pipeline" …

    def of(self, part: str, *types: str) -> dict[str, Resource]:
        """Return a stack's resources of these types (all without), by logical id."""
        found: dict[str, Resource] = self.by_part[part]["Resources"]
        return {id: each for id, each in found.items() if not types or each["Type"] in types}

    def one(self, part: str, type: str, prefix: str = "") -> dict[str, Any]:
        """Return the properties of the only such resource."""
        found = self.of(part, type)
        [properties] = [each["Properties"] for id, each in found.items() if id.startswith(prefix)]
        return dict(properties)

    def asset(self, part: str, key: str) -> Path:
        """Return the folder that a stack uploads under a key."""
        [manifest] = self.folder.glob(f"*-{part}.assets.json")
        files = json.loads(manifest.read_bytes())["files"]
        return self.folder / str(files[key.removesuffix(".zip")]["source"]["path"])

    def everything(self) -> Iterator[tuple[str, str, Resource]]:
        """Yield part, logical id and resource."""
        for part in self.by_part:
            for id, resource in self.of(part).items():
                yield part, id, resource


class Synthesize(Protocol):
    """Makes the templates of a configuration, given by the settings that are not the defaults."""

    def __call__(self, **settings: Any) -> Templates:
        """Return them; the same settings give the same object."""
