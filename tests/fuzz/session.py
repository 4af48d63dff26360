"""Cases sent one after the other, and what became of them."""

import shlex
import time
from collections import Counter
from dataclasses import dataclass, field

import requests
from schemathesis import Case

from tests.fuzz.cases import Asked, make_cases
from tests.fuzz.checks import Answer, Broken, broken_by
from tests.fuzz.world import World
from tests.http.accounts import BASE_URL

TIMEOUT_SECONDS = 30.0
OF_A_GUEST = frozenset(
    {
        "POST /api/v1/logout",
        "POST /api/auth/logout",
        "POST /api/cloud/auth/logout",
        "POST /api/v1/me/password",
    }
)
"""They would shut out the one who asks."""


@dataclass
class Failure:
    operation: str
    broken: Broken
    curl: str
    times: int = 1


@dataclass
class Report:
    cases: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    statuses: dict[str, Counter[int]] = field(default_factory=dict)
    """By operation."""
    failures: dict[tuple[str, str, str], Failure] = field(default_factory=dict)
    """One for each operation, check and first line of the message."""

    def table(self) -> str:
        lines = [f"{'operation':72} {'cases':>6}  answers"]
        for operation, counted in sorted(self.statuses.items()):
            answers = " ".join(f"{status}×{times}" for status, times in sorted(counted.items()))
            lines.append(f"{operation:72} {counted.total():>6}  {answers}")
        total: Counter[int] = sum(self.statuses.values(), Counter())
        answers = " ".join(f"{status}×{times}" for status, times in sorted(total.items()))
        return "\n".join([*lines, f"{'all':72} {self.cases:>6}  {answers}"])

    def failure_log(self) -> str:
        return "\n\n".join(
            f"{found.operation}: {found.broken.check} ({found.times}×)\n  {found.broken.message}\n  {found.curl}"
            for found in self.failures.values()
        )


def run(world: World, count: int, seed: int) -> Report:
    report = Report()
    began = time.monotonic()
    for asked in make_cases(world, count, seed):
        report.cases += 1
        answer = _send(asked, world)
        if answer is None:
            _note_hang(report, asked.case)
            continue
        report.slowest = max(report.slowest, answer.seconds)
        report.statuses.setdefault(answer.operation, Counter())[answer.response.status_code] += 1
        for broken in broken_by(answer):
            _note(report, answer, broken)
    report.seconds = time.monotonic() - began
    return report


def _send(asked: Asked, world: World) -> Answer | None:
    """None: there was no answer in time."""
    headers = world.headers_of_guest() if asked.case.operation.label in OF_A_GUEST else world.headers
    world.client.cookies.clear()
    began = time.monotonic()
    try:
        response = asked.case.call(session=world.client, base_url=BASE_URL, headers=headers, timeout=TIMEOUT_SECONDS)
    except requests.ReadTimeout:
        return None
    return Answer(asked, response, time.monotonic() - began, world.app.error)


def _note_hang(report: Report, case: Case) -> None:
    label = case.operation.label
    broken = Broken("hang", f"no answer in {TIMEOUT_SECONDS:g} s")
    report.failures[label, broken.check, ""] = Failure(label, broken, case.as_curl_command())


def _note(report: Report, answer: Answer, broken: Broken) -> None:
    operation = answer.operation
    key = (operation, broken.check, broken.message.partition("\n")[0][:60])
    if key in report.failures:
        report.failures[key].times += 1
    else:
        report.failures[key] = Failure(operation, broken, _curl(answer))


def _curl(answer: Answer) -> str:
    """With KEY in place of the key."""
    request = answer.response.request
    words = ["curl", "-X", str(request.method), shlex.quote(str(request.url))]
    for name, value in request.headers.items():
        if name.lower() not in (
            "authorization",
            "user-agent",
            "content-length",
            "x-schemathesis-testcaseid",
            "accept-encoding",
        ):
            words += ["-H", shlex.quote(f"{name}: {value}")]
    if "Authorization" in request.headers:
        words += ["-H", "'Authorization: Bearer KEY'"]
    if request.body is not None:
        body = request.body if isinstance(request.body, bytes) else str(request.body).encode("utf-8", "surrogatepass")
        words += ["--data-binary", "$" + repr(body[:2000])[1:] if isinstance(body, bytes) else shlex.quote(body)]
    return " ".join(words)
