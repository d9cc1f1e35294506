import pytest

from tocsin.domain import errors
from tocsin.wire.problems import problem


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.Malformed("not JSON"), 400),
        (errors.Unauthenticated("no key"), 401),
        (errors.Forbidden("not this"), 403),
        (errors.NotFound("nothing"), 404),
        (errors.Conflict("another body"), 409),
        (errors.TooLarge("too large"), 413),
        (errors.UnsupportedMedia("text/plain"), 415),
        (errors.QuotaExhausted("used up", 60), 429),
        (errors.LimitReached("10 streams", 5), 429),
        (errors.Busy("throttled"), 503),
        (errors.Crowded("10,000 streams", 5), 503),
        (errors.OutcomeUnknown("perhaps"), 503),
        (errors.IntegrityError("acme", 7, "changed"), 500),
        (errors.HeadMoved("again"), 500),
    ],
)
def test_each_error_has_its_status_and_says_why(error: errors.TocsinError, status: int) -> None:
    answer = problem(error)
    assert answer.status == status
    assert answer.body == {"error": str(error)}


def test_an_invalid_event_is_reported_field_by_field() -> None:
    detail: errors.Detail = {"field": "toolName", "message": "Required"}
    answer = problem(errors.Invalid([detail]))
    assert answer.status == 400
    assert answer.content == (
        b'{"error":"Validation failed","details":[{"field":"toolName","message":"Required"}]}'
    )


def test_who_must_wait_is_told_how_long() -> None:
    assert problem(errors.Busy("throttled", 3)).headers["Retry-After"] == "3"
    assert problem(errors.QuotaExhausted("used up", 60)).headers["Retry-After"] == "60"


def test_who_must_log_in_is_told_how() -> None:
    assert (
        problem(errors.Unauthenticated("no key")).headers["WWW-Authenticate"].startswith("Bearer")
    )
