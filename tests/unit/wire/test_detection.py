"""What is said of detection's kinds, and that the page says the same."""

import re
from pathlib import Path

from tocsin.domain.detect.kinds import SEVERITIES, Kind
from tocsin.wire.detection import SAYS

PAGE = Path(__file__).parents[3] / "docs" / "detection.md"


def test_the_page_has_each_kind_with_its_severity_and_sentence() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (info|warning|critical) \| (.*) \|$", PAGE.read_text(), re.M)
    assert rows == [(kind, SEVERITIES[kind].word, SAYS[kind]) for kind in Kind]
