"""What a trainer prints and tells holds no secret. Where output is replaced, in a process of its own."""

import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from finery.kit.redaction import Redactor
from finery.trainers.output_redaction import LONGEST_LINE, RedactingStream, redactor_of_environment
from tests.trainers.running import SOURCE, Ended, ended, start
from tests.trainers.test_command import make

VALUE = "hf_very-secret+value"


class TestConcealingStream:
    def test_hides_what_is_written_in_pieces(self) -> None:
        stream, inner = concealing(VALUE)
        for piece in ("a ", VALUE[:5], VALUE[5:], " b\nnext ", "line"):
            stream.write(piece)
        assert inner.getvalue() == "a [redacted] b\n"
        stream.flush()
        assert inner.getvalue() == "a [redacted] b\nnext line"

    def test_tells_how_much_was_written(self) -> None:
        stream, _ = concealing(VALUE)
        assert stream.write(VALUE + "\n") == len(VALUE) + 1
        assert (stream.writable(), stream.isatty()) == (True, False)

    def test_does_not_wait_for_ever_for_the_end_of_a_line(self) -> None:
        stream, inner = concealing(VALUE)
        stream.write("x" * LONGEST_LINE)
        assert inner.getvalue() == ""
        stream.write(VALUE)
        assert inner.getvalue() == "x" * LONGEST_LINE + "[redacted]"

    def test_lines_of_two_threads_stay_two(self) -> None:
        stream, inner = concealing(VALUE)
        stream.write("begun ")
        other = threading.Thread(target=lambda: stream.write("whole\n"))
        other.start()
        other.join()
        stream.write("ended\n")
        assert inner.getvalue() == "whole\nbegun ended\n"


class TestRedactorOfEnvironment:
    def test_of_what_is_named_and_of_the_customary(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MINE", "mine-value")
        monkeypatch.setenv("HF_TOKEN", "hub-value")
        monkeypatch.setenv("OTHER", "other-value")
        redact = redactor_of_environment(["MINE", "ABSENT"])
        assert redact("mine-value hub-value other-value") == "[redacted] [redacted] other-value"


class TestConcealOutput:
    def test_prints_errors_warnings_and_loggers_of_before(self) -> None:
        program = (
            "import logging, os, sys, warnings\n"
            "logging.getLogger('early').addHandler(logging.StreamHandler())\n"
            "logging.getLogger('early.out').addHandler(logging.StreamHandler(sys.stdout))\n"
            "from finery.trainers.output_redaction import redact_output, redactor_of_environment\n"
            "value = os.environ['MINE']\n"
            "redact_output(redactor_of_environment(['MINE']))\n"
            "print('printed', value, end='', flush=True)\n"
            "print(value, file=sys.stderr)\n"
            "warnings.warn(value)\n"
            "logging.getLogger('early').error('logged %s', value)\n"
            "logging.getLogger('early.out').error('logged too %s', value)\n"
            "logging.getLogger('late').error('last resort %s', value)\n"
            "print('unfinished', value, end='')\n"
            "raise RuntimeError(value)\n"
        )
        environment = {**os.environ, "PYTHONPATH": str(SOURCE), "MINE": VALUE}
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
        assert VALUE not in done.stdout + done.stderr
        for said in ("printed [redacted]", "logged too [redacted]", "unfinished [redacted]"):
            assert said in done.stdout
        for said in ("UserWarning: [redacted]", "logged [redacted]", "last resort [redacted]", "Error: [redacted]"):
            assert said in done.stderr


class TestTrainer:
    def test_a_failure_tells_no_secret(self, tmp_path: Path) -> None:
        log, result = self.fail(tmp_path, "raise RuntimeError(f'refused: {value}')")
        assert result.outcome.message == "RuntimeError: refused: [redacted]"
        assert "RuntimeError: refused: [redacted]" in log
        assert "Traceback" in log

    def test_a_long_message_is_cut_after_its_secrets_were_hidden(self, tmp_path: Path) -> None:
        _, result = self.fail(tmp_path, "raise RuntimeError('x' * 1980 + value)")
        assert (result.outcome.message or "").endswith("x[redac")

    def test_events_tell_no_secret(self, tmp_path: Path) -> None:
        code = "attempt.reporter.notice('c', f'a {value}', detail=[value]); raise RuntimeError('x')"
        _, result = self.fail(tmp_path, code)
        [notice] = result.of("notice")
        assert (notice["message"], notice["detail"]) == ("a [redacted]", ["[redacted]"])

    @staticmethod
    def fail(folder: Path, code: str) -> tuple[str, Ended]:
        run = make(folder, "true", secrets=["MINE"])
        spec = json.loads(run.spec.read_text()) | {"secrets": ["MINE"], "trainer": "__main__:fail"}
        run.spec.write_text(json.dumps(spec))
        before = (
            f"import os; os.environ['MINE'] = {VALUE!r}\n"
            "def fail(attempt):\n"
            "    value = os.environ['MINE']\n"
            f"    {code}\n"
        )
        result = ended(run, start(run, before=before).wait(timeout=60))
        log = (run.path / "log.txt").read_text()
        assert VALUE not in log + run.events.read_text() + run.attempt(1).outcome.read_text()
        return log, result


def concealing(value: str) -> tuple[RedactingStream, io.StringIO]:
    inner = io.StringIO()
    return RedactingStream(inner, Redactor([value])), inner
