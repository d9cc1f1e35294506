import pytest

from tocsin.domain import errors
from tocsin.wire.problems import problem


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.Malformed("not JSON"), 400, "MALFORMED"),
        (errors.Unauthenticated("no key"), 401, "UNAUTHORIZED"),
        (errors.Forbidden("not this"), 403, "FORBIDDEN"),
        (errors.NotFound("nothing"), 404, None),
        (errors.Conflict("another body"), 409, "CONFLICT"),
        (errors.TooLarge("too large"), 413, "TOO_LARGE"),
        (errors.UnsupportedMedia("text/plain"), 415, "UNSUPPORTED_MEDIA"),
        (errors.QuotaExhausted("used up", 60), 429, "QUOTA_EXHAUSTED"),
        (errors.LimitReached("10 streams", 5), 429, "LIMIT_REACHED"),
        (errors.Busy("throttled"), 503, "BUSY"),
        (errors.Crowded("10,000 streams", 5), 503, "CROWDED"),
        (errors.OutcomeUnknown("perhaps"), 503, "OUTCOME_UNKNOWN"),
        (errors.IntegrityError("acme", 7, "changed"), 500, "INTEGRITY"),
        (errors.HeadMoved("again"), 500, "INTERNAL"),
    ],
)
def test_each_error_has_its_status_and_says_why(
    error: errors.TocsinError, status: int, code: str | None
) -> None:
    answer = problem(error)
    assert answer.status == status
    seq = {"seq": error.seq} if isinstance(error, errors.IntegrityError) else {}
    assert answer.body == {"error": str(error)} | ({"code": code} if code else {}) | seq


def test_an_invalid_event_is_reported_field_by_field() -> None:
    detail: errors.Detail = {"field": "toolName", "message": "Required"}
    answer = problem(errors.Invalid([detail]))
    assert answer.status == 400
    assert answer.content == (
        b'{"error":"Validation failed","details":[{"field":"toolName","message":"Required"}]}'
    )


def test_the_documented_404_is_as_govrix_prints_it() -> None:
    assert problem(errors.NotFound("event not found")).content == b'{"error":"event not found"}'


def test_who_must_wait_is_told_how_long() -> None:
    assert problem(errors.Busy("throttled", 3)).headers["Retry-After"] == "3"
    assert problem(errors.QuotaExhausted("used up", 60)).headers["Retry-After"] == "60"


def test_who_must_log_in_is_told_how() -> None:
    assert (
        problem(errors.Unauthenticated("no key")).headers["WWW-Authenticate"].startswith("Bearer")
    )
