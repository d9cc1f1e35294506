"""What detection keeps: how far it is, its subjects' states, the alerts, and the settings."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from tocsin.domain.batch import Batch
from tocsin.domain.detect.anomaly import Anomaly
from tocsin.domain.detect.cursor import Cursor
from tocsin.domain.detect.kept import KeptSettings

__all__ = ["Anomalies", "DetectionSettings", "Detections"]


class Detections(Protocol):
    """How far detection has come, by org, and the states of what it watches."""

    def cursor(self, org: str) -> Cursor:
        """Return how far an org is, strongly consistent."""

    def due(self, now_ms: int) -> Sequence[str]:
        """Return the orgs whose :attr:`.Cursor.due_ms` has come."""

    def states(self, org: str, places: Sequence[str]) -> Mapping[str, bytes]:
        """Return what was put, by place, strongly consistent."""

    def put(self, org: str, place: str, states: bytes, now_ms: int) -> None:
        """Put states to a place that nothing was put to before.

        Raises:
            Busy: nothing was written; or OutcomeUnknown: it may have been.
        """

    def drop(self, org: str, places: Iterable[str]) -> None:
        """Remove what was put, where nothing leads to it any more; it expires in any case."""

    def advance(
        self,
        org: str,
        was: Cursor,
        now: Cursor,
        told: tuple[Batch, bytes] | None = None,
        anomalies: Sequence[Anomaly] = (),
    ) -> bool:
        """Write all in one transaction (100 items at most); False: ``was`` is not what is there.

        ``told`` is the batch that tells of the anomalies, and the same packed.

        Raises:
            Busy: nothing was written; or OutcomeUnknown: it may have been.
        """


class Anomalies(Protocol):
    """The alerts that were told."""

    def get(self, org: str, id: str) -> Anomaly | None:
        """Return an alert, strongly consistent."""

    def newest(self, org: str, before: str, limit: int) -> Sequence[tuple[str, Anomaly | None]]:
        """Return alerts by id, the newest first, those before an id; empty: from the newest on.

        None: it can't be read.
        """

    def write(self, anomaly: Anomaly, was: str, batch: Batch, packed: bytes) -> bool:
        """Write what was said of an alert, and the batch that tells of it.

        False: the alert's last change is not ``was``.

        Raises:
            Busy: nothing was written; or OutcomeUnknown: it may have been.
        """


class DetectionSettings(Protocol):
    """What orgs want detection to do."""

    def get(self, org: str) -> KeptSettings:
        """Return an org's settings, strongly consistent."""

    def write(self, kept: KeptSettings, was: str, batch: Batch, packed: bytes) -> bool:
        """Write settings, and the batch that tells of them.

        False: the last change is not ``was``.

        Raises:
            Busy: nothing was written; or OutcomeUnknown: it may have been.
        """
