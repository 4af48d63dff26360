import os
import sys
import time
from pathlib import Path

import pytest

from finery.kit.one_shot_program import ProgramFailed, ProgramTooSlow, run_program


def ask(code: str, question: bytes = b"", *, seconds: float = 30) -> bytes:
    return run_program([sys.executable, "-c", code], question, seconds=seconds, environment={"GIVEN": "here"})


class TestAskProgram:
    def test_answers(self) -> None:
        assert ask("import sys; print(sys.stdin.read().upper())", b"abc") == b"ABC\n"

    def test_gets_no_secret(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FINERY_SECRET_KEY", "hidden")
        monkeypatch.setenv("HF_HOME", "/somewhere")
        words = ask("import os; print(*os.environ)").decode().split()
        assert {"GIVEN", "HF_HOME", "PATH"} <= set(words)
        assert "FINERY_SECRET_KEY" not in words

    def test_tells_its_last_words(self) -> None:
        with pytest.raises(ProgramFailed, match=r"^this is why$") as caught:
            ask("import sys; print('first', file=sys.stderr); sys.exit('this is why')")
        assert caught.value.code == 1

    def test_says_nothing(self) -> None:
        with pytest.raises(ProgramFailed, match="it ended with code 3"):
            ask("raise SystemExit(3)")

    def test_ends_all_when_the_time_is_over(self, tmp_path: Path) -> None:
        child = "import subprocess, sys, time; p = subprocess.Popen(['sleep', '60']); "
        code = f"{child}open({str(tmp_path / 'pid')!r}, 'w').write(str(p.pid)); time.sleep(60)"
        began = time.monotonic()
        with pytest.raises(ProgramTooSlow, match="not done after 1 seconds"):
            ask(code, seconds=1)
        assert time.monotonic() - began < 20
        pid = int((tmp_path / "pid").read_text())
        while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
            assert time.monotonic() - began < 30
            os.sched_yield()

    def test_is_not_there(self) -> None:
        with pytest.raises(FileNotFoundError):
            run_program(["/nowhere/program"], b"", seconds=1)
