from __future__ import annotations

import pytest

from hansa.blobs.s3_errors import answer, verdict
from hansa.errors import OperatorError, Unavailable

BODY = (
    "Error performing PUT http://x/b/k in 1ms - Server returned non-2xx status code: {} Reason: <Error><Code>{}</Code>"
)


@pytest.mark.parametrize(
    ("told", "family", "code"),
    [
        (BODY.format(404, "NoSuchBucket"), OperatorError, "bucket.unknown"),
        (BODY.format(403, "SignatureDoesNotMatch"), OperatorError, "blob.denied"),
        (BODY.format(403, "RequestTimeTooSkewed"), Unavailable, "blob.clock"),
        (BODY.format(401, "Whatever"), OperatorError, "blob.denied"),
        (BODY.format(507, "InsufficientStorage"), Unavailable, "blob.full"),
        (BODY.format(500, "XMinioStorageFull"), Unavailable, "blob.full"),
        (BODY.format(503, "SlowDown"), Unavailable, "blob.unreachable"),
        (BODY.format(429, "TooManyRequests"), Unavailable, "blob.unreachable"),
        (BODY.format(400, "InvalidDigest"), OperatorError, "blob.failed"),
        ("Generic S3 error: HTTP error: error sending request\n\nDebug source: …", Unavailable, "blob.unreachable"),
    ],
)
def test_what_a_store_answers_is_one_error(told: str, family: type[OperatorError], code: str) -> None:
    error = verdict("s3://b/p", answer(told))
    assert (type(error), error.code) == (family, code)
    assert error.message.startswith("s3://b/p: ")
    assert error.hint
    assert "\n" not in error.message


def test_what_the_store_says_for_people_is_said() -> None:
    told = answer(BODY.format(403, "AccessDenied") + "<Message>Access Denied.</Message>")
    assert verdict("s3://b", told).message == "s3://b: AccessDenied Access Denied."


def test_without_a_body_the_first_line_is_said() -> None:
    told = answer(
        "Error performing HEAD http://x/b/k in 1ms - Server returned non-2xx status code: 403 Forbidden: \n\nmore"
    )
    assert told.status == 403
    assert told.message.endswith("403 Forbidden")
