"""Real processes: what a grader's program may do, and what becomes of one that does more."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from finery.trainers.graders.python import Limits, ProgramFailed, ProgramNotStarted, PythonProgram

SAMPLE = {"output_text": "Paris"}
ITEM = {"answer": "Paris"}
Make = Callable[..., PythonProgram]


@pytest.fixture
def program() -> Iterator[Make]:
    made = []

    def make(source: str, **limits: float) -> PythonProgram:
        made.append(PythonProgram(source, Limits(**limits)))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()


class TestGrade:
    def test_gives_a_score(self, program: Make) -> None:
        grader = program("def grade(sample, item):\n    return sample['output_text'] == item['answer'] and 0.75")
        assert [grader.grade(SAMPLE, ITEM) for _ in range(3)] == [0.75] * 3

    def test_one_process_for_all_answers(self, program: Make) -> None:
        grader = program("count = 0\ndef grade(sample, item):\n    global count\n    count += 1\n    return count")
        assert [grader.grade(SAMPLE, ITEM) for _ in range(3)] == [1.0, 2.0, 3.0]

    def test_large_items(self, program: Make) -> None:
        grader = program("def grade(sample, item):\n    return len(item['text'])")
        assert grader.grade(SAMPLE, {"text": "文" * 1_000_000}) == 1_000_000.0

    def test_libraries_can_be_imported(self, program: Make) -> None:
        grader = program("import numpy\ndef grade(sample, item):\n    return numpy.float32(0.25)")
        assert grader.grade(SAMPLE, ITEM) == 0.25

    def test_what_it_prints_is_no_score(self, program: Make) -> None:
        grader = program("def grade(sample, item):\n    print('{\"score\": 9}', flush=True)\n    return 1")
        assert grader.grade(SAMPLE, ITEM) == 1.0

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ("return 'x'", "grade gave str, not a number"),
            ("return None", "grade gave NoneType, not a number"),
            ("return True", "grade gave bool, not a number"),
            ("return float('nan')", "not finite"),
            ("return [1]", "grade gave list, not a number: TypeError"),
            ("return item['nothing']", "KeyError in line 4 of the program$"),
            ("raise SystemExit(0)", "SystemExit in line 4 of the program$"),
            ("raise ValueError(item)", "ValueError in line 4 of the program$"),
            (
                "E = type('E', (Exception,), {'__traceback__': property(lambda _: 1 / 0)}); raise E()",
                "E( in line 4 of the program)?$",
            ),
            ("return 10 ** 400", "OverflowError"),
            ("return grade(sample, item)", "RecursionError"),
        ],
    )
    def test_tells_why_there_is_none_and_goes_on(self, body: str, reason: str, program: Make) -> None:
        grader = program(f"asked = 0\ndef grade(sample, item):\n    if item.get('good'): return 1\n    {body}")
        with pytest.raises(ProgramFailed, match=reason):
            grader.grade(SAMPLE, ITEM)
        assert grader.grade(SAMPLE, {"good": True}) == 1.0

    @pytest.mark.parametrize(
        ("source", "reason"),
        [
            ("import no_such_module\ndef grade(sample, item): return 1", "ModuleNotFoundError"),
            ("grade = 1", "grade is no function"),
            ("def grade(sample): return 1", "TypeError: too many positional arguments"),
            ("score = 1", "KeyError"),
            ("raise SystemExit", "SystemExit"),
            ("import os\nos._exit(4)", "ended with exit code 4"),
        ],
    )
    def test_one_that_cannot_be_loaded(self, source: str, reason: str, program: Make) -> None:
        with pytest.raises(ProgramNotStarted, match=reason):
            program(source).start()

    def test_one_that_loads_for_ever(self, program: Make) -> None:
        with pytest.raises(ProgramNotStarted, match="took longer than"):
            program("import time\ntime.sleep(600)\ndef grade(sample, item): return 1", start_seconds=0.5).start()


class TestLimits:
    """After each, the next answer finds a new process."""

    @pytest.mark.parametrize(
        ("body", "reason", "limits"),
        [
            ("while True: pass", "used more than 1 seconds of the processor", {"cpu_seconds": 1, "seconds": 60.0}),
            ("import time; time.sleep(600)", "took longer than 0.3 seconds", {"seconds": 0.3}),
            (
                "import signal, time; signal.signal(signal.SIGXCPU, signal.SIG_IGN); time.sleep(600)",
                "took longer than 0.3 seconds",
                {"seconds": 0.3},
            ),
            ("import os; os._exit(3)", "ended with exit code 3", {}),
            ("import os; os.abort()", "ended by signal 6", {}),
            ("import os; os.closerange(3, 32); import time; time.sleep(600)", "closed its streams|exit code", {}),
        ],
    )
    def test_ends_with_its_process(self, body: str, reason: str, limits: dict[str, float], program: Make) -> None:
        grader = program(f"def grade(sample, item):\n    if item.get('good'): return 1\n    {body}", **limits)
        with pytest.raises(ProgramFailed, match=reason):
            grader.grade(SAMPLE, ITEM)
        assert grader.grade(SAMPLE, {"good": True}) == 1.0

    def test_memory(self, program: Make) -> None:
        grader = program("def grade(sample, item):\n    return len(b'x' * (4 << 30))")
        with pytest.raises(ProgramFailed, match="MemoryError"):
            grader.grade(SAMPLE, ITEM)

    def test_the_length_of_an_answer(self, program: Make) -> None:
        source = (
            "import os\n"
            "def grade(sample, item):\n"
            "    for stream in range(3, 32):\n"
            "        try:\n"
            "            os.write(stream, b'x' * 20000)\n"
            "        except OSError:\n"
            "            pass\n"
            "    return 1\n"
        )
        with pytest.raises(ProgramFailed, match="answered with more than a score"):
            program(source).grade(SAMPLE, ITEM)

    @pytest.mark.parametrize(
        "body",
        [
            "import os; os.fork()",
            "import subprocess; subprocess.run(['true'])",
            "import os; os.execv('/bin/true', ['true'])",
            "import os; os.kill(os.getppid(), 0)",
            "import socket; socket.create_connection(('127.0.0.1', 9), 1)",
            "import resource; resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
            "import resource, os; resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (1, 1))",
        ],
    )
    def test_processes_and_network(self, body: str, program: Make) -> None:
        grader = program(f"def grade(sample, item):\n    {body}\n    return 1")
        with pytest.raises(ProgramFailed, match=r"^(PermissionError|BlockingIOError|ValueError) in line 2"):
            grader.grade(SAMPLE, ITEM)

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ("import threading; threading.Thread(target=int).start()", "RuntimeError"),
            ("import asyncio; asyncio.run(asyncio.sleep(0))", "PermissionError"),
            ("import tempfile; tempfile.TemporaryFile()", "FileNotFoundError"),
            ("import dill", "PermissionError"),
        ],
    )
    def test_what_computing_does_not_need(self, body: str, reason: str, program: Make) -> None:
        grader = program(f"def grade(sample, item):\n    {body}\n    return 1")
        grader.start()
        if "processes" in grader.open_ways:
            pytest.skip("this machine cannot close off processes")
        with pytest.raises(ProgramFailed, match=reason):
            grader.grade(SAMPLE, ITEM)

    def test_fork_bomb(self, program: Make) -> None:
        bomb = (
            "    for _ in range(1000):\n        try:\n            os.fork()\n        except OSError:\n            pass"
        )
        grader = program(f"import os\ndef grade(sample, item):\n{bomb}\n    return os.getpid()")
        first = grader.grade(SAMPLE, ITEM)
        assert grader.grade(SAMPLE, ITEM) == first

    def test_files_cannot_be_written(self, program: Make, tmp_path: Path) -> None:
        target = tmp_path / "file"
        tmp_path.chmod(0o777)
        for path in (str(target), "here"):
            grader = program(f"def grade(sample, item):\n    open({path!r}, 'w').write('x')\n    return 1")
            with pytest.raises(ProgramFailed, match=r"OSError|PermissionError"):
                grader.grade(SAMPLE, ITEM)
        assert not target.exists() or target.stat().st_size == 0

    def test_files_of_others_cannot_be_read(self, program: Make, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("x")
        grader = program(f"def grade(sample, item):\n    return len(open({str(tmp_path / 'secret')!r}).read())")
        grader.start()
        if "files" in grader.open_ways:
            pytest.skip("this kernel cannot close off files")
        with pytest.raises(ProgramFailed, match="PermissionError"):
            grader.grade(SAMPLE, ITEM)

    def test_nothing_of_our_environment(self, program: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FINERY_TEST_SECRET", "x")
        grader = program("import os\ndef grade(sample, item):\n    return 'FINERY_TEST_SECRET' in os.environ or 0.5")
        assert grader.grade(SAMPLE, ITEM) == 0.5

    def test_no_rights_of_root(self, program: Make) -> None:
        assert program("import os\ndef grade(sample, item):\n    return os.getuid()").grade(SAMPLE, ITEM) != 0.0


class TestClose:
    def test_leaves_no_process_and_no_folder(self) -> None:
        grader = PythonProgram("import os\ndef grade(sample, item):\n    return os.getpid()")
        grader.start()
        assert grader._process is not None
        process = grader._process.pid
        grader.close()
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
        assert not Path(grader._folder.name).exists()

    def test_an_answer_late_by_much_does_not_hold_up_the_run(self) -> None:
        grader = PythonProgram("import time\ndef grade(sample, item):\n    time.sleep(600)", Limits(seconds=0.2))
        grader.start()
        begun = time.monotonic()
        with pytest.raises(ProgramFailed):
            grader.grade(SAMPLE, ITEM)
        grader.close()
        assert time.monotonic() - begun < 10.0
