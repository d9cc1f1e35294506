"""The routes of detection: how an org is watched, and what people say of its alerts."""

from starlette.responses import Response

from functions.api.asked import Asked, UseCase, answer
from tocsin.bootstrap.api import ApiParts
from tocsin.domain.detect.anomaly import Anomaly
from tocsin.services.reading.whole import sees_all
from tocsin.wire import bodies
from tocsin.wire import detection as setting
from tocsin.wire import reviews as reviewing

__all__ = ["routes"]


def routes(parts: ApiParts) -> dict[str, UseCase]:
    """Return the use cases over ``parts``, by their names in the table of routes."""
    settings, anomalies, clock = parts.detection, parts.anomalies, parts.clock

    def get_detection(asked: Asked) -> Response:
        sees_all(asked.key)
        return answer(setting.shown(settings.get(asked.key.org)))

    def put_detection(asked: Asked) -> Response:
        wanted = setting.settings_of(bodies.read(asked.body, setting.PUT))
        return answer(setting.shown(settings.put(asked.key, wanted)))

    def list_anomalies(asked: Asked) -> Response:
        page = reviewing.page_asked(asked.query)
        sees_all(asked.key)
        found, before = anomalies.page(asked.key.org, page)
        said = {"data": [reviewing.shown(each) for each in found]}
        return answer(said, headers=reviewing.next_page(asked.query, before))

    def get_anomaly(asked: Asked) -> Response:
        sees_all(asked.key)
        return _shown(anomalies.one(asked.key.org, asked.path["id"]))

    def acknowledge_anomaly(asked: Asked) -> Response:
        reason = bodies.read(asked.body, reviewing.REVIEW).get("reason", "")
        return _shown(anomalies.acknowledge(asked.key, asked.path["id"], reason))

    def snooze_anomaly(asked: Asked) -> Response:
        body = bodies.read(asked.body, reviewing.SNOOZE)
        until_ms, seconds = reviewing.snoozed(body, clock.now_ms())
        id, reason = asked.path["id"], body.get("reason", "")
        done = anomalies.snooze(asked.key, id, reason, until_ms=until_ms, seconds=seconds)
        return _shown(done)

    def false_positive(asked: Asked) -> Response:
        reason = bodies.read(asked.body, reviewing.REVIEW).get("reason", "")
        return _shown(anomalies.false_positive(asked.key, asked.path["id"], reason))

    return {
        "get_detection": get_detection,
        "put_detection": put_detection,
        "list_anomalies": list_anomalies,
        "get_anomaly": get_anomaly,
        "acknowledge_anomaly": acknowledge_anomaly,
        "snooze_anomaly": snooze_anomaly,
        "false_positive": false_positive,
    }


def _shown(anomaly: Anomaly) -> Response:
    return answer(reviewing.shown(anomaly))
