"""What every answer must keep.

Of Schemathesis' own checks these are left out, because other tests hold more than they would:
`ignored_auth` (tests/security/test_matrix.py asks every route by nobody), `object_level_authorization`
(test_matrix.py and tests/api/test_ownership.py), `use_after_free` and `ensure_resource_availability` (they follow
links, of which the document has none). `positive_data_acceptance` does not hold: what a schema allows may still name
a model that is not there. `not_a_server_error` knows no documented 503, so `server_error` stands here in its place.
"""

import json
import traceback
from collections.abc import Iterator
from dataclasses import dataclass

from schemathesis import Response
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi import checks

from tests.fuzz.cases import Asked
from tests.fuzz.spelling import is_otherwise_spelled

MAX_SECONDS = 10.0
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
    checks.negative_data_rejection,
    checks.missing_required_header,
    checks.unsupported_method,
    checks.allow_header_conformance,
]
OF_INVALID = [checks.negative_data_rejection, checks.missing_required_header]
TRACES = (b"Traceback (most recent", b'File "/', b"sqlalchemy.", b"pydantic_core.", b"site-packages")
MAY_BE_UNAVAILABLE = frozenset(
    {
        "POST /chat",
        "POST /generate",
        "GET /model_info",
        "POST /load_model",
        "POST /api/v1/deployments",
        "POST /v1/webhook_endpoints/{webhook_endpoint_id}/test",
        "POST /v1/chat/completions",
        "POST /v1/completions",
        "POST /api/v1/deployments/{deployment_id}/chat/completions",
        "POST /api/v1/deployments/{deployment_id}/completions",
    }
)
"""A model that is not loaded or does not fit, a message that was not sent yet: 503, the dialect's body, Retry-After."""


@dataclass(frozen=True)
class Answer:
    asked: Asked
    response: Response
    seconds: float
    error: Exception | None
    """What got through the app."""

    @property
    def operation(self) -> str:
        return self.asked.case.operation.label


@dataclass(frozen=True)
class Broken:
    check: str
    message: str


def broken_by(answer: Answer) -> Iterator[Broken]:
    yield from _server_error(answer)
    yield from _hang(answer)
    yield from _trace(answer)
    yield from _schema(answer)


def _server_error(answer: Answer) -> Iterator[Broken]:
    status = answer.response.status_code
    if answer.error is not None:
        lines = traceback.format_exception(answer.error)
        yield Broken("server_error", f"{status}: {''.join(lines[-1:]).strip()[:300]}\n{''.join(lines)[-2500:]}")
    elif status == 503 and answer.operation in MAY_BE_UNAVAILABLE:
        if "retry-after" not in answer.response.headers:
            yield Broken("server_error", "503 without Retry-After")
    elif status >= 500:
        yield Broken("server_error", f"{status}: {_text(answer)}")


def _hang(answer: Answer) -> Iterator[Broken]:
    if answer.seconds > MAX_SECONDS:
        yield Broken("hang", f"took {answer.seconds:.1f} s")


def _trace(answer: Answer) -> Iterator[Broken]:
    if answer.response.status_code < 400:
        return
    for text in TRACES:
        if text in answer.response.content:
            yield Broken("trace", f"holds {text.decode()!r}: {_text(answer)}")


def _schema(answer: Answer) -> Iterator[Broken]:
    is_judged = answer.asked.is_judged and not is_otherwise_spelled(answer.asked.case)
    judged = CHECKS if is_judged else [check for check in CHECKS if check not in OF_INVALID]
    if "%00" in str(answer.response.request.url):
        # Such an address is refused before anything is asked of it, whatever the method.
        judged = [check for check in judged if check is not checks.unsupported_method]
    try:
        answer.asked.case.validate_response(answer.response, checks=judged)
    except FailureGroup as group:
        for failure in group.exceptions:
            assert isinstance(failure, Failure)
            yield Broken(failure.title, f"{answer.response.status_code}: {failure.message}\n{_text(answer)}")


def _text(answer: Answer) -> str:
    return json.dumps(answer.response.content[:400].decode("utf-8", "replace"), ensure_ascii=False)
